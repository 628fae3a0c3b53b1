package machine

import "testing"

func TestParseBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"10": 10, "1k": 1000, "1K": 1024, "2M": 2 << 20, "1.5m": 1500000, "1G": 1 << 30, "1Gi": 1 << 30, "3MB": 3 << 20, "-2": -2, "0": 0} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "M", "1X", "1MM", "a", "1e30P", "10 M"} {
		if n, err := ParseBytes(text); err == nil {
			t.Errorf("%q: %d", text, n)
		}
	}
}

func TestBusy(t *testing.T) {
	t.Parallel()
	if l, err := Load(); err != nil || l < 0 {
		t.Errorf("load %v, %v", l, err)
	}
	if n, err := Free(); err != nil || n <= 0 {
		t.Errorf("%d bytes free, %v", n, err)
	}
}
