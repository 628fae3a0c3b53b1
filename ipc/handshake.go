package ipc

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"time"
)

// The handshake of Python's multiprocessing.connection, drawn at WireVersion.
const (
	// DefaultHandshakeTimeout is how long a peer may take for the handshake.
	DefaultHandshakeTimeout = 20 * time.Second // CPython's CONNECTION_TIMEOUT

	handshakeLimit = 256 // bytes of a message before authentication, as CPython has it
	challengeSize  = 40  // random bytes; must not make a challenge of legacyChallenge bytes

	// A challenge of this length comes from Python 3.11 and before and names no
	// digest: the answer is a bare HMAC-MD5, which has legacyDigest bytes.
	legacyChallenge = 20
	legacyDigest    = 16

	digestDefault = "sha256"
	digestLegacy  = "md5"
)

var (
	challengePrefix = []byte("#CHALLENGE#")
	welcomeMessage  = []byte("#WELCOME#")
	failureMessage  = []byte("#FAILURE#")
)

// digestNamed returns the digest of a name that CPython allows, nil for others.
func digestNamed(name string) func() hash.Hash {
	switch name {
	case "md5":
		return md5.New
	case "sha256":
		return sha256.New
	case "sha384":
		return sha512.New384
	case "sha3_256":
		return func() hash.Hash { return sha3.New256() }
	case "sha3_384":
		return func() hash.Hash { return sha3.New384() }
	}
	return nil
}

// checkDigest fills in the default.
func checkDigest(name string) (string, error) {
	if name == "" {
		return digestDefault, nil
	}
	if digestNamed(name) == nil {
		return "", fmt.Errorf("ipc: the Digest %q is none of md5, sha256, sha384, sha3_256, sha3_384", name)
	}
	return name, nil
}

// splitDigest takes "{digest}" from the head of a challenge or an answer. The
// name is empty for those of Python 3.11 and before, which are known by their
// length.
func splitDigest(message []byte) (name string, rest []byte, err error) {
	if len(message) == legacyChallenge || len(message) == legacyDigest {
		return "", message, nil
	}
	if len(message) > 0 && message[0] == '{' {
		if end := bytes.IndexByte(message, '}'); end > 0 && digestNamed(string(message[1:end])) != nil {
			return string(message[1:end]), message[end+1:], nil
		}
	}
	return "", nil, errors.New("a message that names no digest we know")
}

// sum is the HMAC of the whole message, the name of the digest included, so that
// nobody between the two ends can change that to a weaker one.
func sum(name string, key, message []byte) []byte {
	if name == "" {
		name = digestLegacy
	}
	h := hmac.New(digestNamed(name), key)
	h.Write(message)
	return h.Sum(nil)
}

// answerTo returns the answer to a challenge without its prefix.
func answerTo(key, challenge []byte) ([]byte, error) {
	if len(challenge) < legacyChallenge {
		return nil, fmt.Errorf("a challenge of %d bytes, less than %d", len(challenge), legacyChallenge)
	}
	name, _, err := splitDigest(challenge)
	if err != nil {
		return nil, err
	}
	mac := sum(name, key, challenge)
	if name == "" {
		return mac, nil
	}
	return append([]byte("{"+name+"}"), mac...), nil
}

// verify checks an answer to a challenge without its prefix.
func verify(key, challenge, answer []byte) error {
	name, mac, err := splitDigest(answer)
	if err != nil {
		return err
	}
	if !hmac.Equal(mac, sum(name, key, challenge)) {
		return errors.New("the answer is wrong: another key")
	}
	return nil
}

// deliverChallenge has the other end prove that it has the key.
func deliverChallenge(c *Conn, key []byte, digest string) error {
	challenge := append([]byte("{"+digest+"}"), make([]byte, challengeSize)...)
	_, _ = rand.Read(challenge[len(digest)+2:]) // never fails
	if err := c.SendBytes(append(bytes.Clone(challengePrefix), challenge...)); err != nil {
		return err
	}
	answer, err := c.RecvBytes()
	if err != nil {
		return err
	}
	if err := verify(key, challenge, answer); err != nil {
		_ = c.SendBytes(failureMessage) // a courtesy
		return err
	}
	return c.SendBytes(welcomeMessage)
}

// answerChallenge proves to the other end that we have the key.
func answerChallenge(c *Conn, key []byte) error {
	message, err := c.RecvBytes()
	if err != nil {
		return err
	}
	challenge, ok := bytes.CutPrefix(message, challengePrefix)
	if !ok {
		return errors.New("the other end sent no challenge: it may have no key")
	}
	answer, err := answerTo(key, challenge)
	if err != nil {
		return err
	}
	if err := c.SendBytes(answer); err != nil {
		return err
	}
	verdict, err := c.RecvBytes()
	if err != nil {
		return err
	}
	if !bytes.Equal(verdict, welcomeMessage) {
		return errors.New("our answer was rejected: another key")
	}
	return nil
}

// shake does both halves: who listens asks first. The caller sets a deadline. c
// reads ahead only once all is done, since what follows may be for somebody else.
func shake(c *Conn, key []byte, digest string, listening bool, o ConnOptions) error {
	c.SetReadLimit(handshakeLimit)
	c.SetReadAhead(false)
	halves := []func() error{
		func() error { return deliverChallenge(c, key, digest) },
		func() error { return answerChallenge(c, key) },
	}
	if !listening {
		slices.Reverse(halves)
	}
	for _, half := range halves {
		err := half()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("%w: the other end took too long: %w", ErrAuth, err)
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: the other end closed the connection: %w", ErrAuth, err)
		case err != nil:
			return fmt.Errorf("%w: %w", ErrAuth, err)
		}
	}
	c.SetReadLimit(o.Limit)
	c.SetReadAhead(!o.NoReadAhead)
	return nil
}
