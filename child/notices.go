package child

import (
	"sync"

	"yunta/child/wire"
	"yunta/ipc"
)

// notices is the pipe up to the supervisor: frames of several goroutines do
// not mix on it.
type notices struct {
	mu   sync.Mutex
	pipe *ipc.PipeFile
}

// Write writes whole frames.
func (n *notices) Write(frames []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pipe.Write(frames)
}

// frame appends the frame of a message.
func frame(dst []byte, kind byte, v any) ([]byte, error) {
	body, err := wire.Append(nil, kind, v)
	if err != nil {
		return dst, err
	}
	return ipc.AppendFrame(dst, body), nil
}

// say writes a message, and before it what is unsaid, in one write.
func (s *server) say(kind byte, v any) error {
	out, err := frame(s.unsaid, kind, v)
	if err != nil {
		return err
	}
	s.unsaid = nil
	_, err = s.notices.Write(out)
	return err
}

func (s *server) report(kind byte, err error) {
	body := wire.Wrap([]byte{kind}, encodeError(StageStart, err))
	_, _ = s.notices.Write(ipc.AppendFrame(s.unsaid, body)) // the exit status says it too
	s.unsaid = nil
}
