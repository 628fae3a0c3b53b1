package ipc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The answers are those of CPython 3.12, made with
// multiprocessing.connection._create_response(b"key", b"{sha256}" + bytes(range(40))).
func TestAnswers(t *testing.T) {
	t.Parallel()
	random := make([]byte, 40)
	for i := range random {
		random[i] = byte(i)
	}
	for _, tt := range []struct{ name, challenge, want string }{
		{"sha256", "{sha256}" + string(random), "7b7368613235367d05b37335205f51ff483146e965fdf576943e0e64675a64ceccba80b6704d76b8"},
		{"sha384", "{sha384}" + string(random), "7b7368613338347d2f1a4233782b9eb58bdc61e0bbfc3dc518ef4f11e57c645b0a71de4ed5b9d38b1046df44f799a8dd5a563cfd2001a53d"},
		{"sha3_256", "{sha3_256}" + string(random), "7b736861335f3235367d8952712aef2d0531a6eea6353c874de5335699947695baa0cfd0d30f50c0a5eb"},
		{"sha3_384", "{sha3_384}" + string(random), "7b736861335f3338347d40407b88279b3cbcda6c2dd87059f061095dafba34d4cf2facdbd87260550c3a17caff5e3bc8d97899ada5a2b81c2a76"},
		{"md5, named", "{md5}" + string(random), "7b6d64357d532a07103ac1f7d7e40898f013ab0def"},
		{"3.11 and before", string(random[:20]), "5b2709aec5bcecbd08bd1f92d77ecea1"},
	} {
		answer, err := answerTo([]byte("key"), []byte(tt.challenge))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := hex.EncodeToString(answer); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if err := verify([]byte("key"), []byte(tt.challenge), answer); err != nil {
			t.Errorf("%s: our own answer: %v", tt.name, err)
		}
		if verify([]byte("kez"), []byte(tt.challenge), answer) == nil {
			t.Errorf("%s: an answer made with another key is taken", tt.name)
		}
		for i := range answer {
			wrong := bytes.Clone(answer)
			wrong[i] ^= 1
			if verify([]byte("key"), []byte(tt.challenge), wrong) == nil {
				t.Errorf("%s: taken with byte %d changed", tt.name, i)
			}
		}
		// An old client takes what names a digest as it stands.
		if err := verify([]byte("key"), []byte(tt.challenge), sum("", []byte("key"), []byte(tt.challenge))); err != nil {
			t.Errorf("%s: the answer of an old client: %v", tt.name, err)
		}
	}
	for _, challenge := range []string{
		"", "short", strings.Repeat("x", 19), strings.Repeat("x", 21), strings.Repeat("x", 16), "{sha1}" + string(random), "{}" + string(random),
		"{sha256" + string(random), "{" + string(random), "sha256}" + string(random),
	} {
		if answer, err := answerTo([]byte("key"), []byte(challenge)); err == nil {
			t.Errorf("the challenge %q is answered with % x", challenge, answer)
		}
	}
	for _, answer := range []string{"", "{sha256}", "{md5}", "{sha256}" + strings.Repeat("x", 32), strings.Repeat("x", 16), strings.Repeat("x", 20)} {
		if verify([]byte("key"), []byte("{sha256}"+string(random)), []byte(answer)) == nil {
			t.Errorf("the answer %q is taken", answer)
		}
	}
}

// shakeBoth runs both halves over a pipe.
func shakeBoth(t *testing.T, keyA, keyB, digestA, digestB string) (errA, errB error) {
	t.Helper()
	a, b := testConns(t)
	done := make(chan error, 1)
	go func() {
		err := shake(b, []byte(keyB), digestB, false, ConnOptions{})
		if err != nil {
			b.Close()
		}
		done <- err
	}()
	errA = shake(a, []byte(keyA), digestA, true, ConnOptions{})
	if errA != nil {
		a.Close()
	}
	return errA, <-done
}

func TestShake(t *testing.T) {
	t.Parallel()
	digests := []string{"md5", "sha256", "sha384", "sha3_256", "sha3_384"}
	for _, a := range digests {
		for _, b := range digests {
			if errA, errB := shakeBoth(t, "key", "key", a, b); errA != nil || errB != nil {
				t.Errorf("%s and %s: %v; %v", a, b, errA, errB)
			}
			if errA, errB := shakeBoth(t, "key", "kez", a, b); !errors.Is(errA, ErrAuth) || !errors.Is(errB, ErrAuth) {
				t.Errorf("%s and %s with two keys: %v; %v", a, b, errA, errB)
			}
		}
	}
}

// script is what a hostile peer says: each message once it has received one, or
// at once.
func script(c *Conn, messages []string) {
	for _, m := range messages {
		if raw, ok := strings.CutPrefix(m, "raw:"); ok {
			c.wmu.Lock()
			c.write([]byte(raw), nil)
			c.wmu.Unlock()
			continue
		}
		if c.SendBytes([]byte(m)) != nil {
			return
		}
	}
}

func TestShakeHostile(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", handshakeLimit+1)
	for _, listening := range []bool{false, true} {
		for _, messages := range [][]string{
			{},
			{""},
			{"raw:\x00"},
			{"raw:\x7f\xff\xff\xff"},
			{"raw:\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
			{long},
			{"#CHALLENGE#"},
			{"#CHALLENGE#" + strings.Repeat("x", 20)},
			{"#CHALLENGE#" + strings.Repeat("x", 20), "#WELCOME#"},
			{"#CHALLENGE#" + strings.Repeat("x", 20), "#WELCOME#", "{sha256}" + strings.Repeat("x", 32)},
			{"#CHALLENGE#" + strings.Repeat("x", 20), "#WELCOME#", strings.Repeat("x", 16)},
			{"#CHALLENGE#" + strings.Repeat("x", 20), "#FAILURE#"},
			{"#CHALLENGE#{sha256}" + strings.Repeat("x", 40), "#WELCOME#", "#CHALLENGE#"},
			{"#CHALLENGE#{sha512}" + strings.Repeat("x", 40)},
			{"#WELCOME#", "#WELCOME#", "#WELCOME#"},
			{strings.Repeat("x", 16), "#CHALLENGE#" + strings.Repeat("x", 20), "#WELCOME#"},
			{"{sha256}" + strings.Repeat("\x00", 32)},
		} {
			a, b := testConns(t)
			go func() {
				script(b, messages)
				b.Close()
			}()
			if err := shake(a, []byte("key"), "sha256", listening, ConnOptions{}); !errors.Is(err, ErrAuth) {
				t.Errorf("listening %v, %.50q: %v", listening, messages, err)
			}
			a.Close()
		}
	}
}

func TestShakeSilent(t *testing.T) {
	t.Parallel()
	for _, listening := range []bool{false, true} {
		a, _ := testConns(t)
		a.SetDeadline(time.Now().Add(10 * time.Millisecond))
		err := shake(a, []byte("key"), "sha256", listening, ConnOptions{})
		if !errors.Is(err, ErrAuth) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a peer that says nothing: %v", err)
		}
	}
}

// What comes right behind the handshake is not lost.
func TestShakeAhead(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	done := make(chan error, 1)
	go func() {
		err := shake(b, []byte("key"), "sha256", false, ConnOptions{})
		done <- errors.Join(err, b.Send("one"), b.Send("two"))
	}()
	if err := errors.Join(shake(a, []byte("key"), "sha256", true, ConnOptions{}), <-done); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		if got, err := Recv[string](a); got != want || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte("{sha256}0123456789012345678901234567890123456789"), []byte("0123456789012345"))
	f.Add([]byte("01234567890123456789"), []byte("{md5}0123456789012345"))
	f.Add([]byte("{sha3_384}"), []byte("{}"))
	f.Fuzz(func(t *testing.T, challenge, answer []byte) {
		if verify([]byte("key"), challenge, answer) == nil {
			t.Errorf("%q is taken for an answer to %q", answer, challenge)
		}
		got, err := answerTo([]byte("key"), challenge)
		if err != nil {
			return
		}
		if err := verify([]byte("key"), challenge, got); err != nil {
			t.Errorf("our own answer %q to %q: %v", got, challenge, err)
		}
	})
}

// A hostile peer says anything at all to either half of the handshake.
func FuzzShake(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x1f#CHALLENGE#01234567890123456789\x00\x00\x00\x09#WELCOME#"), false)
	f.Add([]byte("\x00\x00\x00\x100123456789012345"), true)
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x010"), true)
	f.Fuzz(func(t *testing.T, in []byte, listening bool) {
		a, b := testConns(t)
		b.write(in, nil)
		go func() {
			for { // takes what we say, so that it is not the end of the connection
				if _, err := b.RecvBytes(); err != nil {
					return
				}
			}
		}()
		b.raw.Control(func(fd uintptr) { shutWrite(int(fd)) })
		if err := shake(a, []byte("key"), "sha256", listening, ConnOptions{}); !errors.Is(err, ErrAuth) {
			t.Errorf("%q: %v", in, err)
		}
		a.Close()
	})
}

// A hostile peer writes anything at all where frames are expected.
func FuzzConn(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x05\x00\x00\x00\x00"), uint8(0))
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x0101"), uint8(1))
	f.Add([]byte("\x7f\xff\xff\xff"), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, how uint8) {
		a, b := testConns(t)
		a.SetReadAhead(how&1 == 0)
		a.SetReadLimit(1 << 20)
		go func() {
			b.write(in, nil)
			b.Close()
		}()
		fr := NewFrameReader(bytes.NewReader(in), 1<<20)
		buf := make([]byte, 100)
		for {
			want, wantErr := fr.Next()
			var got []byte
			var err error
			switch how >> 1 % 3 {
			case 0:
				got, err = a.RecvBytes()
			case 1:
				n, rerr := a.RecvInto(buf)
				got, err = buf[:n], rerr
				if short, ok := errors.AsType[*ShortBufferError](rerr); ok {
					got, err = short.Message, nil
				}
			default:
				var v any
				if err = a.Recv(&v); errors.Is(err, ErrDecode) {
					err = nil
				}
				got = want
			}
			if wantErr == nil && (err != nil || !bytes.Equal(got, want)) {
				t.Fatalf("%q, %v; want %q", got, err, want)
			}
			if wantErr != nil {
				for _, is := range []error{ErrTooLarge, ErrCorrupt} {
					if errors.Is(wantErr, is) != errors.Is(err, is) {
						t.Fatalf("%v; want %v", err, wantErr)
					}
				}
				if err == nil {
					t.Fatal(fmt.Errorf("no error, want %w", wantErr))
				}
				return
			}
		}
	})
}
