package child

import (
	"context"
	"fmt"

	"yunta/ipc"
)

// missing stands in for an entry that this process does not know.
type missing string

func (m missing) serve(s *server, c *chunk) {
	for {
		if _, ok := c.slot.Claim(); !ok {
			return
		}
		s.commitError(c, encodeError(StageStart, m.error()))
	}
}

func (m missing) invoke(context.Context, []byte) error { return m.error() }

func (m missing) encoded(context.Context, []byte) ([]byte, error) { return nil, m.error() }

func (m missing) process(context.Context, []byte, *ipc.Attachments) error { return m.error() }

func (m missing) error() error {
	return fmt.Errorf("child: no entry %q in this process: register it at package level, unconditionally", string(m))
}
