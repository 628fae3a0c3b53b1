package ipc

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"
)

// The hexdumps of the page at WireVersion are what is sent.
func TestProtocolPage(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	if err := errors.Join(a.Send([]any{"hi", 300}), a.SendBytes(nil)); err != nil {
		t.Fatal(err)
	}
	want := "0000000792a26869cd012c00000000"
	if got := hex.EncodeToString(readRaw(t, b, len(want)/2)); got != want {
		t.Errorf("two messages are %s, want %s", got, want)
	}

	a, b = testConns(t)
	a.SetDeadline(time.Now().Add(time.Minute))
	done := make(chan error, 1)
	go func() { done <- shake(a, []byte("key"), "sha256", true, ConnOptions{}) }()
	challenge := readRaw(t, b, 4+59)
	if got, want := hex.EncodeToString(challenge[:4+19]), "0000003b234348414c4c454e4745237b7368613235367d"; got != want {
		t.Errorf("a challenge begins with %s, want %s", got, want)
	}
	answer, err := answerTo([]byte("key"), challenge[4+11:])
	if err != nil {
		t.Fatal(err)
	}
	frame := AppendFrame(nil, answer)
	if got, want := hex.EncodeToString(frame[:4+8]), "000000287b7368613235367d"; got != want {
		t.Errorf("an answer begins with %s, want %s", got, want)
	}
	if err := b.write(frame, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := hex.EncodeToString(readRaw(t, b, 13)), "000000092357454c434f4d4523"; got != want {
		t.Errorf("a welcome is %s, want %s", got, want)
	}
	b.Close()
	if err := <-done; !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
}

// readRaw reads n bytes as they are on the wire.
func readRaw(t *testing.T, c *Conn, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	for i := 0; i < n; {
		k, _, err := c.read(b[i:])
		if err != nil {
			t.Fatal(err)
		}
		i += k
	}
	return b
}
