package load

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"yunta/child/affinity"
	"yunta/cmd/yunta/internal/compare"
)

// A usage is how long the processors have been busy since the machine started.
type usage struct {
	seconds, steal, all float64
	known               bool
}

// busy reads /proc/stat; other systems do not tell.
func busy() usage {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return usage{}
	}
	fields := strings.Fields(firstLine(string(text)))
	if len(fields) < 9 || fields[0] != "cpu" {
		return usage{}
	}
	u := usage{known: true}
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal
		n, _ := strconv.ParseFloat(f, 64)
		n /= 100 // USER_HZ
		u.all += n
		switch i {
		case 3, 4:
		case 7:
			u.steal += n
		default:
			u.seconds += n
		}
	}
	return u
}

// A Watch tells what the machine did while a comparison ran.
type Watch struct{ before usage }

// Inspect describes the machine.
func Inspect(ctx context.Context, python string) (compare.Machine, *Watch) {
	m := compare.Machine{
		System: runtime.GOARCH, Processor: "unknown", SMT: "unknown", Virtual: "unknown", Governor: "unknown", Kernel: "unknown",
		Go: runtime.Version(), CPUs: affinity.CPUCount(), LoadStart: Load(), LoadEnd: -1, Steal: -1,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "GOOS" {
				m.System = s.Value + "/" + m.System
			}
		}
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.Virtual = "no hypervisor seen"
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			switch strings.TrimSpace(name) {
			case "model name":
				m.Processor = strings.TrimSpace(value)
			case "flags":
				if strings.Contains(value+" ", " hypervisor ") {
					m.Virtual = "virtual machine"
				}
			}
		}
	}
	switch read("/sys/devices/system/cpu/smt/active") {
	case "0":
		m.SMT = "no"
	case "1":
		m.SMT = "yes"
	}
	if g := read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); g != "" {
		m.Governor = g
	}
	if k := read("/proc/sys/kernel/osrelease"); k != "" {
		m.Kernel = k
	}
	if python != "" {
		if out, err := exec.CommandContext(ctx, python, "-c", "import platform; print(platform.python_version())").Output(); err == nil {
			m.Python = firstLine(string(out))
		}
	}
	return m, &Watch{busy()}
}

// End adds what was only known afterwards.
func (w *Watch) End(m *compare.Machine) {
	m.LoadEnd = Load()
	if after := busy(); after.known && w.before.known && after.all > w.before.all {
		m.Steal = (after.steal - w.before.steal) / (after.all - w.before.all)
	}
}

// Load is the load average over a minute, -1 where the system does not tell.
func Load() float64 {
	first, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	n, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return n
}

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Calibrate returns how many rounds of spinning take a microsecond: the fastest of some tries, for what disturbs only slows.
func Calibrate() float64 {
	const tried = 200_000
	best := time.Hour
	for range 15 {
		began := time.Now()
		if spin(tried) == 0 { // never
			return 0
		}
		best = min(best, time.Since(began))
	}
	return tried / (float64(best) / 1e3)
}

// TextFiles returns up to 200 files of ASCII text at and below the roots, of 1 KiB to 256 KiB each.
func TextFiles(ctx context.Context, roots []string) []string {
	const most = 200
	var files []string
	for _, root := range roots {
		// What cannot be read is not counted.
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil || len(files) == most {
				return fs.SkipAll
			}
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			if info, err := d.Info(); err != nil || info.Size() < 1<<10 || info.Size() > 256<<10 {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil || strings.ContainsFunc(string(text), func(r rune) bool { return r == 0 || r >= 0x80 }) {
				return nil
			}
			if abs, err := filepath.Abs(path); err == nil {
				files = append(files, abs)
			}
			return nil
		})
	}
	return files
}
