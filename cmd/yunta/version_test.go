package main

import (
	"runtime/debug"
	"strings"
	"testing"

	"yunta/oslock/futex"
)

func TestBuildReport(t *testing.T) {
	t.Parallel()
	paths := "portable"
	if futex.Native() {
		paths = "native"
	}
	released := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"},
		{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
		{Key: "vcs.modified", Value: "true"},
		{Key: "GOOS", Value: "linux"},
		{Key: "GOARCH", Value: "arm64"},
		{Key: "CGO_ENABLED", Value: "0"},
	}}
	for _, tt := range []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"released", released, "yunta   v1.2.3\nsource  abc of 2026-01-02T03:04:05Z, changed since\ngo      go1.26.8\nsystem  linux/arm64\npaths   " + paths + "\n"},
		{"nothing known", &debug.BuildInfo{}, "yunta   (devel)\ngo      \nsystem  /\npaths   " + paths + "\n"},
	} {
		var out strings.Builder
		if err := buildOf(tt.info).print(&out); err != nil || out.String() != tt.want {
			t.Errorf("%s: %v\ngot:\n%s\nwant:\n%s", tt.name, err, out.String(), tt.want)
		}
	}
	var out strings.Builder
	if err := buildOf(released).printJSON(&out); err != nil || !strings.Contains(out.String(), `"revision": "abc"`) {
		t.Errorf("JSON: %v\n%s", err, out.String())
	}
}
