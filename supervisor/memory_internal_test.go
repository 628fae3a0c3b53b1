package supervisor

import "testing"

func TestMemoryExhausted(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, stderr string
		want         bool
	}{
		{"nothing", "", false},
		{"a panic", "panic: oh\n\ngoroutine 1 [running]:\nmain.main()\n", false},
		{"a fault of the program", "panic: runtime error: invalid memory address\n[signal SIGSEGV: segmentation violation]\n\ngoroutine 7 [running]:\nmain.f()\n", false},
		{"refused", "fatal error: runtime: out of memory\n\nruntime stack:\n", true},
		{"the watch", "yunta: worker 3: out of memory: it holds 9 bytes, the limit is 8\n", true},
		{"the collector was refused", "SIGSEGV: segmentation violation\nPC=0x434edd m=5 sigcode=1 addr=0x0\n\ngoroutine 0 gp=0x39 m=5 [idle]:\nruntime.(*spanQueue).tryDrain(0x1)\n", true},
		{"the C library was refused", "SIGABRT: abort\nPC=0x7fc12472deec m=6 sigcode=18446744073709551610\n\ngoroutine 0 gp=0x2c8e93526960 m=6 mp=0x2c8e9351c808 [idle]:\nruntime: g 0 gp=0x2c8e93526960: unknown pc 0x7fc12472deec\nstack: frame={sp:0x1, fp:0x0}\n", true},
		{"abort in C", "SIGABRT: abort\nPC=0x1 m=0 sigcode=1\nsignal arrived during cgo execution\n\ngoroutine 0 gp=0x1 m=0 mp=0x2 [idle]:\nruntime: g 0 gp=0x1: unknown pc 0x1\n", false},
		{"a fault in C", "SIGSEGV: segmentation violation\nPC=0x1 m=0 sigcode=1\nsignal arrived during cgo execution\n\ngoroutine 0 [idle]:\nruntime: unknown pc\n", false},
	} {
		if got := memoryExhausted(row.stderr); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}
