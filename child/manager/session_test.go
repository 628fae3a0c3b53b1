package manager

import (
	"context"
	"errors"
	"testing"

	"yunta/ipc"
)

// A client that has its reply, and ends before the server has looked up from sending it, keeps what it got: or its
// item would be another's, too.
func TestReplyThatCameIsNotUndone(t *testing.T) {
	t.Parallel()
	ours, theirs, err := ipc.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	n := newSession(&Server{ctx: context.Background()}, ours)
	undone := false
	q := &request{s: n, out: make([]byte, 4<<20), undo: func() { undone = true }} // more than a socket holds
	replied := make(chan struct{})
	go func() {
		defer close(replied)
		n.reply(1, q, nil)
	}()
	if ready, err := ipc.Wait(t.Context(), theirs); len(ready) != 1 || err != nil { // it is being sent
		t.Fatal(ready, err)
	}
	n.cancel()
	if got, err := theirs.RecvBytes(); len(got) != len(q.out) || err != nil {
		t.Fatal(len(got), err)
	}
	<-replied
	if undone {
		t.Error("what the client has received was undone")
	}
}

// What cannot be sent is undone, once, and so is what nobody is there to hear of.
func TestReplyThatCannotComeIsUndone(t *testing.T) {
	t.Parallel()
	for _, ended := range []bool{false, true} {
		ours, theirs, err := ipc.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		n := newSession(&Server{ctx: context.Background()}, ours)
		if ended {
			n.cancel()
		} else if err := theirs.Close(); err != nil {
			t.Fatal(err)
		}
		undone := 0
		q := &request{s: n, out: []byte{1, statusOK}, undo: func() { undone++ }}
		n.reply(1, q, nil)
		if undone != 1 {
			t.Errorf("ended %v: undone %d times", ended, undone)
		}
		n.reply(2, q, errors.New("it failed")) // nothing was done
		if undone != 1 {
			t.Errorf("ended %v: a failed request was undone", ended)
		}
		if err := errors.Join(ours.Close(), theirs.Close()); err != nil {
			t.Error(err)
		}
	}
}

// An object whose maker was gone before it knew of it would stay for ever: nobody has its number.
func TestObjectThatNobodyKnowsOf(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	ours, theirs, err := ipc.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	n := newSession(s, ours)
	if !n.take((&call{}).putUint(1).putUint(0).putByte(serverCreate).putText(kindLock).buf) {
		t.Fatal("the request was not understood")
	}
	if st := must[Stats](t)(connect(t, s).Stats(ctx)); st.Objects != 0 {
		t.Errorf("%d objects are left", st.Objects)
	}
}
