package report

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yunta/cmd/yunta/internal/compare"
	"yunta/cmd/yunta/internal/compare/comparetest"
)

func page(t *testing.T, r *compare.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageIsSmall(t *testing.T) {
	t.Parallel()
	text := page(t, comparetest.Sample(1, 10_000))
	t.Logf("%d bytes for 10,000 tasks", len(text))
	if len(text) > 300_000 {
		t.Errorf("the page has %d bytes", len(text))
	}
	if !strings.Contains(text, "10000 tasks are drawn") {
		t.Error("the timeline does not have 10,000 tasks")
	}
}

var svgs = regexp.MustCompile(`(?s)<svg.*?</svg>`)

func TestDrawingsAreXML(t *testing.T) {
	t.Parallel()
	all := svgs.FindAllString(page(t, hostile()), -1)
	if len(all) < 10 {
		t.Fatalf("%d drawings", len(all))
	}
	for _, svg := range all {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %.300s", err, svg)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("a coordinate is no number: %.300s", svg)
		}
	}
}

const evil = `</script><script>document.body.dataset.evil="1"</script><img src=x onerror="alert(1)">"'&`

// hostile has every text that can come from a file replaced by one that wants to be more than a text.
func hostile() *compare.Report {
	r := comparetest.Sample(2, 400)
	r.Title, r.Machine.Processor, r.Machine.Kernel, r.Machine.Python, r.Machine.SMT = evil, evil, evil, evil, evil
	r.Warnings = append(r.Warnings, evil)
	for i := range r.Arms {
		r.Arms[i].Name = evil
	}
	for _, w := range r.Workloads {
		w.Name, w.About, w.Checksum = evil, evil, evil
		for _, run := range w.Runs {
			for i := range run.Lanes {
				run.Lanes[i].Name = evil
			}
			for i := range run.Memory {
				run.Memory[i].Who = evil
			}
			for i := range run.Start {
				run.Start[i].Name = evil
			}
		}
		for i := range w.Faults {
			w.Faults[i].Fault, w.Faults[i].Detail = evil, evil
		}
	}
	r.Analyze()
	return r
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	text := page(t, hostile())
	if n := strings.Count(text, "<script"); n != 2 {
		t.Errorf("%d scripts, want the data and ours", n)
	}
	if strings.Contains(text, "<img") {
		t.Error("an element from outside got in")
	}
}

func TestPageNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	text := page(t, comparetest.Sample(3, 400))
	if link := regexp.MustCompile(`(?i)(src|href|action|url)\s*[=(]\s*["']?\s*(https?:|//|data:)`).FindString(text); link != "" {
		t.Errorf("the page refers to something: %s", link)
	}
	if !strings.Contains(text, `default-src &#39;none&#39;`) && !strings.Contains(text, `default-src 'none'`) {
		t.Error("the page has no strict policy")
	}
	if strings.Contains(text, "unsafe-") || regexp.MustCompile(`<[a-z]+[^>]* (style|on[a-z]+)=`).MatchString(text) {
		t.Error("the page has style or scripts that its policy would have to excuse")
	}
}

var data = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)

// The page, the terminal and the JSON show the same numbers.
func TestSameNumbersEverywhere(t *testing.T) {
	t.Parallel()
	r := comparetest.Sample(4, 400)
	text := page(t, r)
	var terminal bytes.Buffer
	if err := r.Print(&terminal, compare.Terminal{Width: 160}); err != nil {
		t.Fatal(err)
	}
	m := data.FindStringSubmatch(text)
	if m == nil {
		t.Fatal("there are no data in the page")
	}
	inside, err := compare.Read(strings.NewReader(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal([]byte(m[1]), &tree); err != nil {
		t.Fatal(err)
	}
	plain := html.UnescapeString(text)
	n := 0
	for i, w := range r.Workloads {
		for _, g := range []compare.Grid{r.MetricGrid(w, false), r.CurveGrid(w, false)} {
			for _, line := range g.Rows {
				for _, cell := range line[2:] {
					n++
					if cell != "" && !strings.Contains(terminal.String(), cell) {
						t.Errorf("the terminal lacks %q", cell)
					}
				}
			}
		}
		for j, line := range r.MetricGrid(w, false).Rows {
			for k, cell := range line {
				if !strings.Contains(plain, cell) {
					t.Errorf("the page lacks %q", cell)
				}
				if got := inside.MetricGrid(inside.Workloads[i], false).Rows[j][k]; got != cell {
					t.Errorf("the data in the page say %q, the report %q", got, cell)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d numbers were looked at", n)
	}
}

func TestPageOfNothing(t *testing.T) {
	t.Parallel()
	r := &compare.Report{
		Version: 1, Arms: []compare.Arm{{Key: "a", Name: "A"}, {Key: "b", Name: "B"}},
		Workloads: []*compare.Workload{{Name: "commands", Runs: []*compare.Run{{Arm: "a", Error: "it broke"}, {Arm: "b", Metrics: map[string]float64{"seconds": 0}}}}},
	}
	r.Analyze()
	if text := page(t, r); !strings.Contains(text, "commands") {
		t.Error("the page lacks its workload")
	}
}

// chromium returns what the browser prints when it is called with args beside those that keep it quiet and local.
func chromium(t *testing.T, args ...string) string {
	t.Helper()
	exe, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium to open the page with")
	}
	profile := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir=" + profile,
	}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, stderr.String())
	}
	return string(out)
}

func opened(t *testing.T, r *compare.Report, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(page(t, r)), 0o644); err != nil {
		t.Fatal(err)
	}
	return chromium(t, append(args, "file://"+path)...)
}

var body = regexp.MustCompile(`<body[^>]*>`)

// The page opens from a file without an error, also with hostile texts in it, and draws a mark for each number of its data. Its script
// counts them; what the policy forbids would be an error.
func TestBrowserDrawsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*compare.Report{"sample": comparetest.Sample(5, 2000), "hostile": hostile()} {
		dom := opened(t, r, "--virtual-time-budget=3000", "--dump-dom")
		marks := 0
		for _, w := range r.Workloads {
			for _, arm := range r.Shown() {
				marks += len(w.Values(arm.Key, "throughput"))
			}
			for _, s := range w.Curves {
				marks += len(s.Points)
			}
		}
		tag := body.FindString(dom)
		if !strings.Contains(tag, `data-ready="1"`) || strings.Contains(tag, "data-error") || strings.Contains(tag, "data-evil") {
			t.Errorf("%s: the page says %s", name, tag)
		}
		if want := fmt.Sprintf(`data-marks="%d"`, marks); marks == 0 || !strings.Contains(tag, want) {
			t.Errorf("%s: the page says %s, want %s", name, tag, want)
		}
	}
}

// A script that was changed does not run: the policy knows the hash of ours. What the page says does not depend on it.
func TestBrowserRefusesOtherScripts(t *testing.T) {
	t.Parallel()
	r := comparetest.Sample(6, 400)
	path := filepath.Join(t.TempDir(), "report.html")
	text := strings.Replace(page(t, r), `"use strict";`, `"use strict";document.body.dataset.evil="1";`, 1)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	dom := chromium(t, "--virtual-time-budget=3000", "--dump-dom", "file://"+path)
	if tag := body.FindString(dom); strings.Contains(tag, "data-") {
		t.Errorf("another script ran: %s", tag)
	}
	if !strings.Contains(dom, html.EscapeString(r.Sentences[0])) || strings.Count(dom, "<svg") < 10 {
		t.Error("without its script the page does not show its sentences and charts")
	}
}

// Nothing leaves the page, whatever gets into it: the policy forbids every request. A page without it shows that one would be noticed.
func TestBrowserAsksNobody(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	spy := `<img src="` + server.URL + `/x.png"><link rel="stylesheet" href="` + server.URL + `/x.css">`
	text := page(t, comparetest.Sample(7, 400))
	injected := strings.Replace(text, "<main>", "<main>"+spy, 1)
	control := strings.Replace(injected, "Content-Security-Policy", "X-Nothing", 1)
	for name, text := range map[string]string{"injected": injected, "control": control} {
		asked.Store(0)
		path := filepath.Join(t.TempDir(), "report.html")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		picture := filepath.Join(t.TempDir(), "report.png")
		chromium(t, "--window-size=900,1200", "--screenshot="+picture, "file://"+path)
		if n := asked.Load(); (n > 0) != (name == "control") {
			t.Errorf("%s: %d requests", name, n)
		}
		if info, err := os.Stat(picture); err != nil || info.Size() < 20_000 {
			t.Errorf("%s: the picture of the page: %v, %v", name, info, err)
		}
	}
}
