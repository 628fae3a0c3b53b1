package python

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"yunta/child/wire"
	"yunta/ipc"
)

// pythons runs a test with python3, and with every program of the list
// YUNTA_TEST_PYTHONS.
func pythons(t *testing.T, f func(t *testing.T, python string)) {
	names := append([]string{"python3"}, filepath.SplitList(os.Getenv("YUNTA_TEST_PYTHONS"))...)
	for _, name := range names {
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			t.Parallel()
			python, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("there is no %s", name)
			}
			f(t, python)
		})
	}
}

// script is a Python process that can import yunta_worker.
func script(t *testing.T, python, text string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), python, "-W", "error", "-c", text)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=.")
	cmd.Stderr = t.Output()
	return cmd
}

// page is what PROTOCOL.md shows of one pipe, frame after frame.
func page(t *testing.T) (frames []pageFrame) {
	b, err := os.ReadFile("../wire/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	head := regexp.MustCompile(`^    (tasks|notices|lifeline) +; (.*)$`)
	line := regexp.MustCompile(`^    [0-9a-f]{8}  ((?:[0-9a-f]{2} )+) *\|`)
	for _, text := range strings.Split(string(b), "\n") {
		if m := head.FindStringSubmatch(text); m != nil {
			frames = append(frames, pageFrame{pipe: m[1], note: m[2]})
		} else if m := line.FindStringSubmatch(text); m != nil {
			b, err := hex.DecodeString(strings.ReplaceAll(m[1], " ", ""))
			if err != nil || len(frames) == 0 {
				t.Fatal(text, err)
			}
			frames[len(frames)-1].bytes = append(frames[len(frames)-1].bytes, b...)
		}
	}
	if len(frames) < 10 {
		t.Fatalf("the page has a session of %d frames", len(frames))
	}
	return frames
}

type pageFrame struct {
	pipe, note string
	bytes      []byte
}

// The worker says byte for byte what the protocol's page shows, but for what
// differs from process to process.
func TestSession(t *testing.T) {
	t.Parallel()
	frames := page(t)
	pythons(t, func(t *testing.T, python string) {
		cmd := script(t, python, `
import yunta_worker as yunta
@yunta.entry
def square(n):
    if n == "x":
        raise TypeError("no number")
    return n * n
yunta.main()`)
		pipes := map[string]*os.File{}
		for i, name := range []string{"tasks", "notices", "lifeline"} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			if i == 1 {
				r, w = w, r
			}
			cmd.ExtraFiles = append(cmd.ExtraFiles, r)
			pipes[name] = w
		}
		cmd.Env = append(cmd.Env, wire.EnvMarker+"="+wire.Marker(int(cmd.ExtraFiles[0].Fd())))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for _, f := range cmd.ExtraFiles {
			f.Close()
		}
		defer pipes["lifeline"].Close() // its guard then goes, too
		if err := pipes["notices"].SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			if f.pipe != "notices" {
				if _, err := pipes[f.pipe].Write(f.bytes); err != nil {
					t.Fatal(err)
				}
				continue
			}
			got := readFrame(t, pipes["notices"])
			switch kind := f.bytes[4]; kind {
			case wire.KindHello:
				var h, want wire.PlainHello
				if err := wire.Parse(got, &h); err != nil {
					t.Fatal(err)
				}
				if err := wire.Parse(f.bytes[4:], &want); err != nil {
					t.Fatal(err)
				}
				if h.PID != cmd.Process.Pid || h.Version != want.Version || fmt.Sprint(h.Entries) != fmt.Sprint(want.Entries) || !strings.HasPrefix(h.Program, "Python 3.") {
					t.Errorf("%+v", h)
				}
			case wire.KindRaised:
				a, value, err := wire.ParsePlainAnswer(got)
				var e map[string]any
				if err == nil {
					err = msgpack.Unmarshal(value, &e)
				}
				stack, _ := e["s"].(string)
				if err != nil || a.Number != 511 || e["t"] != "TypeError" || e["m"] != "no number" || !strings.Contains(stack, "in square") {
					t.Error(a, e, err)
				}
			default:
				if !bytes.Equal(got, f.bytes[4:]) {
					t.Errorf("%s: got % x, want % x", f.note, got, f.bytes[4:])
				}
			}
		}
		pipes["tasks"].Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func readFrame(t *testing.T, f *os.File) []byte {
	t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[2])<<8|int(head[3]))
	if _, err := io.ReadFull(f, body); err != nil {
		t.Fatal(err)
	}
	return body
}

// The codec that the file brings and the module msgpack agree on what Go writes,
// and Go reads what they write. What is no msgpack makes an exception, and what
// both take of it they take for the same.
func TestCodecs(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("YUNTA_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("YUNTA_TEST_SEED=%d", seed)
	pythons(t, func(t *testing.T, python string) {
		r := rand.New(rand.NewPCG(seed, 0))
		var input bytes.Buffer
		var sent [][]byte
		codec := ipc.CodecFor[any]()
		for range 2000 {
			b, err := codec.Append(nil, randomValue(r, 3))
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, b)
			spoilt := bytes.Clone(b)
			for range 1 + r.IntN(3) {
				spoilt[r.IntN(len(spoilt))] = byte(r.Uint32())
			}
			sent = append(sent, spoilt[:1+r.IntN(len(spoilt))])
		}
		for _, b := range sent {
			fmt.Fprintf(&input, "%x\n", b)
		}
		cmd := script(t, python, `
import sys, yunta_worker as yunta
def attempt(decode, encode, data):
    try:
        v = decode(data)
        return repr(v), encode(v)
    except Exception as e:
        return None
for n, line in enumerate(sys.stdin):
    data = bytes.fromhex(line.strip())
    own = attempt(yunta._pure_decode, yunta._pure_encode, data)
    module = attempt(yunta._decode, yunta._encode, data)
    if own != module and (n % 2 == 0 or None not in (own, module)):
        sys.exit("%s: %s, and not %s" % tuple(str(x)[:2000] for x in (line, own, module)))
    print("-" if own is None else own[1].hex())
`)
		cmd.Stdin = &input
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(out))
		lines.Buffer(nil, 1<<20)
		for i, b := range sent {
			if !lines.Scan() {
				t.Fatalf("%d answers of %d", i, len(sent))
			}
			if i%2 == 1 {
				continue
			}
			back, err := hex.DecodeString(lines.Text())
			if err != nil {
				t.Fatalf("% x is refused", b)
			}
			want, _, err1 := codec.Decode(b)
			got, _, err2 := codec.Decode(back)
			if err1 != nil || err2 != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("% x comes back as % x: %v, %v; %v, %v", b, back, want, got, err1, err2)
			}
		}
	})
}

// randomValue is of what Go and Python both have.
func randomValue(r *rand.Rand, depth int) any {
	n := 10
	if depth == 0 {
		n = 8
	}
	switch r.IntN(n) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return int64(r.Uint64()) >> r.IntN(64)
	case 3:
		return r.Uint64() >> r.IntN(64)
	case 4:
		return r.NormFloat64()
	case 5:
		return strings.Repeat("añ\xff", r.IntN(1<<r.IntN(9)))
	case 6:
		return bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(1<<r.IntN(10)))
	case 7:
		// Python has microseconds, and years 1 to 9999.
		return time.Unix(r.Int64N(1<<34)-1<<33, r.Int64N(1e6)*1000).UTC()
	case 8:
		list := make([]any, r.IntN(8))
		for i := range list {
			list[i] = randomValue(r, depth-1)
		}
		return list
	default:
		m := map[string]any{}
		for range r.IntN(8) {
			m[strconv.Itoa(r.IntN(1000))] = randomValue(r, depth-1)
		}
		return m
	}
}
