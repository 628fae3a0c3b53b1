package supervisor

import (
	"fmt"
	"slices"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
	"yunta/oslock/mapped"
)

// failure is a task of a chunk that came back as an error.
type failure struct {
	index int
	err   error
	final bool // trying again cannot help
}

// harvest copies out the results that a chunk has committed since the last
// time. last says that there will be no more.
func (p *core) harvest(c *chunk, last bool, t *tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return // whoever found it among the outstanding ones came too late
	}
	c.over = last
	from, n := c.got, 0
	c.bad = nil
	err := c.broken
	if err == nil {
		err = mapped.Guard(func() error {
			var err error
			from, n, err = c.read()
			return err
		})
		if c.broken = err; err != nil {
			// After a fault more may be noted than was returned.
			c.got = from + n
			c.bad = slices.DeleteFunc(c.bad, func(f failure) bool { return f.index >= c.lo+c.got })
		}
	}
	if err != nil && last {
		// What the records cannot be made to say is lost, and said to be.
		st := c.word.Load()
		for ; c.got < min(st.Next, c.size); c.got++ {
			c.bad = append(c.bad, failure{c.lo + c.got, fmt.Errorf("supervisor: its result cannot be read: %w", err), true})
			n++
		}
	}
	if last && c.reading {
		// An error leaves references to extents, which come back when their
		// writer goes.
		_ = c.reader.Done()
	}
	if c.orphan || n == 0 {
		return
	}
	t.back += n
	// Good runs lie between what is bad.
	lo := c.lo + from
	for _, f := range c.bad {
		t.good(c.job, lo, f.index-lo)
		lo = f.index + 1
		t.failures = append(t.failures, lost{c, f})
	}
	t.good(c.job, lo, c.lo+from+n-lo)
}

// read decodes the records that came since the last call: results from task
// from on, n of them. The chunk's mutex is held.
func (c *chunk) read() (from, n int, err error) {
	from = c.got
	if c.w.relay == nil && !c.reading {
		first := ipc.Ref(c.word.First.Load())
		if first == 0 {
			return from, 0, nil
		}
		c.w.core.extents.ReadRecords(&c.reader, first)
		c.reading = true
	}
	for {
		kind, count, body, ok, err := c.next()
		if err != nil || !ok {
			return from, n, err
		}
		if count > c.size-c.got {
			return from, n, fmt.Errorf("%w: %d results for %d tasks", ipc.ErrCorrupt, c.got+count, c.size)
		}
		lo := c.lo + c.got
		c.got += count
		n += count
		if c.orphan {
			continue
		}
		switch kind {
		case wire.RecordValues:
			c.job.typed.decode(lo, count, body, c)
		case wire.RecordErrors:
			for i := range count {
				e, rest, err := child.DecodeError(body)
				if e == nil {
					e = child.LocalError(child.StageDecodeResult, err)
				}
				body = rest
				c.bad = append(c.bad, failure{lo + i, e, e.Stage == child.StageEncodeResult && !e.Panic})
			}
		default:
			return from, n, fmt.Errorf("%w: record of kind %d", ipc.ErrCorrupt, kind)
		}
		// A task that was told to stop failed, whatever it still returned.
		if c.stopped >= 0 && c.stopped < c.got && c.stopped >= c.got-count {
			i := c.lo + c.stopped
			if len(c.bad) > 0 && c.bad[len(c.bad)-1].index == i {
				c.bad = c.bad[:len(c.bad)-1]
			}
			c.job.typed.forget(i, 1)
			c.bad = append(c.bad, failure{i, c.stop, false})
		}
	}
}

// next returns what was answered next.
func (c *chunk) next() (kind uint8, count int, body []byte, ok bool, err error) {
	if c.w.relay == nil {
		return c.reader.Next()
	}
	if len(c.arrived) == 0 {
		return 0, 0, nil, false, nil
	}
	a := c.arrived[0]
	c.arrived[0].body = nil // it may be large
	c.arrived = c.arrived[1:]
	return a.kind, 1, a.body, true, nil
}

// refuse takes note of a result that cannot be decoded.
func (c *chunk) refuse(i int, err error) { c.bad = append(c.bad, failure{i, err, true}) }

// passed gives the memory of what was copied out back.
func (c *chunk) passed(n int) {
	if c.w.relay == nil {
		c.reader.Passed(n)
	}
}
