package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Version is that of the JSON form. A reader refuses a newer one.
const Version = 1

// A Report is one comparison: what was run, on what machine, in what order, and what came of it.
type Report struct {
	Version   int         `json:"version"`
	Title     string      `json:"title"`
	Created   time.Time   `json:"created"`
	Seed      uint64      `json:"seed"`    // of the order and of the inputs
	Runs      int         `json:"runs"`    // that count, of each arm
	Warmup    int         `json:"warmup"`  // runs of each arm that were thrown away
	Workers   int         `json:"workers"` // of each model
	Quick     bool        `json:"quick"`
	Pinned    bool        `json:"pinned"` // worker processes, to a core each
	Machine   Machine     `json:"machine"`
	Arms      []Arm       `json:"arms"` // the first two are compared with each other
	Workloads []*Workload `json:"workloads"`
	Warnings  []string    `json:"warnings"`
	Sentences []string    `json:"sentences"` // over all workloads
}

// Machine is where the runs were made. Text fields that could not be read say "unknown".
type Machine struct {
	System    string  `json:"system"` // operating system and architecture
	Processor string  `json:"processor"`
	CPUs      int     `json:"cpus"` // usable
	SMT       string  `json:"smt"`
	Virtual   string  `json:"virtual"`
	Governor  string  `json:"governor"`
	Kernel    string  `json:"kernel"`
	Go        string  `json:"go"`
	Python    string  `json:"python,omitempty"`
	LoadStart float64 `json:"load_start"` // load average over a minute, -1 if unknown
	LoadEnd   float64 `json:"load_end"`
	Steal     float64 `json:"steal"` // share of the processors' time that the host took, -1 if unknown
}

// An Arm is one of the things compared.
type Arm struct {
	Key  string `json:"key"`  // in expressions and in runs: process, goroutine, python, a, b
	Name string `json:"name"` // for people
	Same string `json:"same"` // key of the arm that this one repeats: the two differ by noise alone
}

// A Workload is one kind of work that every arm did.
type Workload struct {
	Name     string   `json:"name"`
	About    string   `json:"about"`
	Tasks    int      `json:"tasks"`
	Checksum string   `json:"checksum"` // of the results, equal for all arms
	Curve    *Axes    `json:"curve,omitempty"`
	Faults   []Fault  `json:"faults,omitempty"`
	Runs     []*Run   `json:"runs"`
	Rows     []Row    `json:"rows"` // derived
	Curves   []Series `json:"curves,omitempty"`
	Answers  []string `json:"answers"`
}

// Axes says what the points of a run's curve are.
type Axes struct {
	Kind string `json:"kind"` // scaling, crossing or length
	X    string `json:"x"`
	Y    string `json:"y"`
	High bool   `json:"high"` // more is better
}

// A Run is one arm's doing of one workload, in processes of its own.
type Run struct {
	Arm     string             `json:"arm"`
	Order   int                `json:"order"`   // among all runs of the workload, from 0
	Metrics map[string]float64 `json:"metrics"` // by the keys of [Metrics]
	Latency []float64          `json:"latency_ms,omitempty"`
	Curve   []Point            `json:"curve,omitempty"`
	Start   []Step             `json:"start,omitempty"`
	Memory  []Reading          `json:"memory,omitempty"`
	Lanes   []Lane             `json:"lanes,omitempty"` // of each arm's median run only
	Load    float64            `json:"load"`            // processors used by others meanwhile, -1 if unknown
	Error   string             `json:"error,omitempty"`
}

// A Point is one measurement of a curve.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// A Step is a part of the time from nothing to the first result.
type Step struct {
	Name string  `json:"name"`
	MS   float64 `json:"ms"`
}

// A Reading is the memory of one process, in bytes, all taken in one sweep.
type Reading struct {
	Who  string `json:"who"`
	PSS  int64  `json:"pss"`
	RSS  int64  `json:"rss"`
	Heap int64  `json:"heap"`
}

// A Lane is what one worker did, as pairs of beginning and duration in microseconds, in order: the first beginning counts from the
// start of the work, the next ones from the end of the task before.
type Lane struct {
	Name  string  `json:"name"`
	Spans []int64 `json:"spans"`
	Left  int     `json:"left,omitempty"` // tasks that were not kept
}

// A Fault is what became of the work of one arm when one of its tasks did something terrible.
type Fault struct {
	Fault   string  `json:"fault"`
	Arm     string  `json:"arm"`
	Tasks   int     `json:"tasks"`
	Done    int     `json:"done"`
	Outcome string  `json:"outcome"` // contained, leaked (what hangs stays), lost, hung or skipped
	Detail  string  `json:"detail"`
	Seconds float64 `json:"seconds"`
}

// Quantiles are those that [Run.Latency] holds.
var Quantiles = []float64{0, 10, 25, 50, 75, 90, 95, 99, 99.9, 100}

// WriteJSON writes the report. It ends with a newline.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// errForeign is what is wrong with JSON that is not a report.
var errForeign = errors.New("not a report of yunta compare")

// Read reads what WriteJSON wrote and analyzes it anew.
func Read(in io.Reader) (*Report, error) {
	var r Report
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	if r.Version < 1 || len(r.Arms) == 0 {
		return nil, errForeign
	}
	if r.Version > Version {
		return nil, fmt.Errorf("the report is of version %d, this program reads up to %d", r.Version, Version)
	}
	for i, w := range r.Workloads {
		if w == nil {
			return nil, fmt.Errorf("%w: workload %d is null", errForeign, i)
		}
		for j, run := range w.Runs {
			if run == nil {
				return nil, fmt.Errorf("%w: run %d of %s is null", errForeign, j, w.Name)
			}
		}
	}
	r.Analyze()
	return &r, nil
}
