package child

import (
	"context"

	"yunta/child/wire"
	"yunta/ipc"
)

// Invoke runs the entry that an invocation names, here and now, and drops its result: it is for package supervisor. An
// entry that ends its goroutine ends the caller's.
func Invoke(ctx context.Context, i *wire.Invocation) error {
	r := lookup(i.Entry)
	if r == nil {
		return missing(i.Entry).error()
	}
	return r.invoke(ctx, i.Arg)
}

// CallEncoded runs the entry of that name with an argument, and returns its result, both as the entry's [Entry.Codecs]
// encode one value: it is for those who pass calls on without knowing their types.
func CallEncoded(ctx context.Context, entry string, arg []byte) ([]byte, error) {
	r := lookup(entry)
	if r == nil {
		return nil, missing(entry).error()
	}
	return r.encoded(ctx, arg)
}

func (e *entry[A, R]) encoded(ctx context.Context, arg []byte) ([]byte, error) {
	e.prepare()
	a, err := decodeOne(e.args, arg)
	if err != nil {
		return nil, LocalError(StageDecodeArgument, err)
	}
	r, err := e.f(ctx, a)
	if err != nil {
		return nil, err
	}
	out, err := e.res.Append(nil, r)
	if err != nil {
		return nil, LocalError(StageEncodeResult, err)
	}
	return out, nil
}

// DecodeEncoded decodes a result of CallEncoded.
func DecodeEncoded[T any](v *wire.Values[T], src []byte) (T, error) {
	x, err := decodeOne(v, src)
	if err != nil {
		return x, LocalError(StageDecodeResult, err)
	}
	return x, nil
}

func decodeOne[T any](v *wire.Values[T], src []byte) (x T, err error) {
	one, _, err := v.Next(src)
	if err != nil {
		return x, err
	}
	x, rest, err := v.Decode(one)
	if err == nil && len(rest) > 0 {
		err = ipc.ErrDecode
	}
	return x, err
}
