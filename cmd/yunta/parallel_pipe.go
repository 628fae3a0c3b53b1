package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"yunta/cmd/yunta/internal/blocks"
	"yunta/cmd/yunta/internal/getopt"
	"yunta/cmd/yunta/internal/machine"
)

func (o *parallelOptions) pipeSet(add adder, flag flager, text texter) {
	flag("pipe spreadstdin", &o.pipe.on)
	add(getopt.Flag, "pipepart pipe-part", func(string) error { o.pipe.on, o.pipe.part = true, true; return nil })
	add(getopt.Value, "block block-size blocksize", func(v string) error {
		n, err := machine.ParseBytes(v)
		if err == nil && n == 0 {
			err = errors.New("must not be 0")
		}
		if n < 0 {
			o.pipe.perSlot = int(-n)
			return err
		}
		o.pipe.block = n
		return err
	})
	end := false
	unescape := func(v string) string {
		s, err := separatorOf(v)
		if err != nil || v == "" {
			return v
		}
		return s
	}
	add(getopt.Value, "recstart", func(v string) error {
		o.pipe.marks.Start = unescape(v)
		if !end {
			o.pipe.marks.End = ""
		}
		return nil
	})
	add(getopt.Value, "recend", func(v string) error {
		end = true
		o.pipe.marks.End = unescape(v)
		return nil
	})
	flag("regexp regex", &o.pipe.marks.Regexp)
	flag("remove-rec-sep removerecsep rrs", &o.pipe.strip)
	flag("round-robin roundrobin round", &o.pipe.roundRobin)
	add(getopt.Flag, "tee", func(string) error { o.pipe.on, o.pipe.tee = true, true; return nil })
	add(getopt.Flag, "cat", func(string) error { o.pipe.by = byFile; return nil })
	add(getopt.Flag, "fifo", func(string) error { o.pipe.by = byFIFO; return nil })
}

// parseSpan reads a time as GNU parallel takes it: seconds, or numbers with s, m, h, d behind them.
func parseSpan(v string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(v, 64); err == nil && f >= 0 {
		return time.Duration(f * float64(time.Second)), nil
	}
	parts := spanParts().FindAllStringSubmatch(v, -1)
	total, length := 0.0, 0
	for _, p := range parts {
		f, err := strconv.ParseFloat(p[1], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a time", v)
		}
		total += f * map[string]float64{"s": 1, "m": 60, "h": 3600, "d": 86400}[strings.ToLower(p[2])]
		length += len(p[0])
	}
	if length != len(v) || length == 0 {
		return 0, fmt.Errorf("%q is not a time such as 10, 1.5m or 2h30m", v)
	}
	return time.Duration(total * float64(time.Second)), nil
}

var spanParts = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([0-9.]+)([smhdSMHD])`) })

// headerPattern is --header of --pipe.
func headerPattern(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	return blocks.HeaderPattern(v)
}
