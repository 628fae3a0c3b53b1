package affinity

import (
	"fmt"
	"slices"
	"testing"
)

func TestParseList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want []int
		back string
	}{
		{"", nil, ""},
		{"0", []int{0}, "0"},
		{"0-3,8,10-11\n", []int{0, 1, 2, 3, 8, 10, 11}, "0-3,8,10-11"},
		{" 5 , 1-2,2,1 ", []int{1, 2, 5}, "1-2,5"},
		{"65535", []int{65535}, "65535"},
	} {
		got, err := ParseList(tt.text)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("ParseList(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
		}
		if back := FormatList(got); back != tt.back {
			t.Errorf("FormatList(%v) = %q, want %q", got, back, tt.back)
		}
	}
	for _, bad := range []string{"a", "-1", "1-", "3-1", "1,,2", ",", "0-99999999999", "65536", "1.5", "0x1"} {
		if got, err := ParseList(bad); err == nil {
			t.Errorf("ParseList(%q) = %v, want an error", bad, got)
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("0-3,8,10-11")
	f.Add("1-65535,1-65535")
	f.Fuzz(func(t *testing.T, text string) {
		cpus, err := ParseList(text)
		if err != nil {
			return
		}
		again, err := ParseList(FormatList(cpus))
		if err != nil || !slices.Equal(cpus, again) {
			t.Errorf("%v became %v, %v", cpus, again, err)
		}
	})
}

func ExampleFormatList() {
	cpus, _ := ParseList("8,0,1,2")
	fmt.Println(cpus, FormatList(cpus))
	// Output: [0 1 2 8] 0-2,8
}
