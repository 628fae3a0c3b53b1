package supervisor_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"yunta/supervisor"
)

// nonsense is a worker that spoils a part of what it says: frames come twice, cut
// off, in other order, with other bytes, or not at all.
const nonsense = `
import os, random, sys, time, yunta_worker as yunta

rnd = random.Random(int(sys.argv[1]) * 1000003 + os.getpid())
held = []

@yunta.entry
def square(n):
    if rnd.random() < 0.1:
        yunta.logger().warning("on the way")
    return n * n if rnd.random() < 0.9 else b"x" * rnd.randrange(1 << 20)

def send(self, *parts):
    body = b"".join(bytes(p) for p in parts)
    frame = len(body).to_bytes(4, "big") + body
    if body[0] > 5 and rnd.random() < 0.05:
        way = rnd.randrange(8)
        if way == 0:
            frame += frame
        elif way == 1:
            frame = frame[:rnd.randrange(len(frame))]
        elif way == 2:
            held.append(frame)
            frame = b""
        elif way == 3 and held:
            frame = held.pop() + frame
        elif way == 4:
            spoilt = bytearray(frame)
            spoilt[rnd.randrange(min(24, len(spoilt)))] = rnd.randrange(256)
            frame = bytes(spoilt)
        elif way == 5:
            frame += bytes(rnd.randrange(256) for _ in range(rnd.randrange(40)))
        elif way == 6:
            body = bytes([rnd.randrange(32)]) + bytes(rnd.randrange(256) for _ in range(rnd.randrange(20)))
            frame = len(body).to_bytes(4, "big") + body
        elif way == 7:
            os.close(4)
            time.sleep(1000)
    while frame:
        frame = frame[os.write(4, frame):]

yunta._Process.send = send
yunta.main()
`

// Whatever a worker says, every call ends, and the supervisor goes on.
func TestCommandNonsense(t *testing.T) {
	t.Parallel()
	r := random(t)
	o := pythonCommand(t)
	o.Command = []string{o.Command[0], "-c", nonsense, strconv.Itoa(r.IntN(1 << 30))}
	o.Grace, o.TaskTimeout = 50*time.Millisecond, 200*time.Millisecond
	var stderr lockedBuffer
	o.Stderr = &stderr
	ctx := testContext(t)
	var p *supervisor.Pool
	good, bad, pools := 0, 0, 0
	for i := 0; i < 250; {
		if p == nil {
			p = newPool(t, o)
			pools++
		}
		n := 1 + r.IntN(20)
		got, err := supervisor.Map(ctx, p, pySquare, ints(n))
		i += n
		failed := map[int]bool{}
		if m, ok := errors.AsType[*supervisor.MapError](err); ok {
			for _, e := range m.Errors {
				failed[e.Index] = true
			}
			if errors.Is(err, supervisor.ErrPoolTerminated) || errors.Is(err, supervisor.ErrPoolBroken) {
				p = nil // three in a row said nonsense at once
			}
		} else if err != nil {
			p = nil
		}
		bad += len(failed)
		good += len(got) - len(failed)
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
	}
	if good == 0 || bad == 0 {
		t.Errorf("%d tasks are done, %d failed", good, bad)
	}
	t.Logf("%d tasks are done, %d failed, in %d pools", good, bad, pools)
}
