package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"yunta/cmd/yunta/internal/compare"
)

// compareCommands compares two commands by their time. What they print is not shown.
func (c *comparison) compareCommands(ctx context.Context) error {
	texts := make([]string, 2)
	for i, command := range c.o.commands {
		texts[i] = compare.Clean(strings.Join(command, " "), 60)
		key := string(rune('a' + i))
		c.r.Arms = append(c.r.Arms, compare.Arm{Key: key, Name: strings.ToUpper(key) + " " + compare.Clean(strings.Join(command, " "), 22)})
	}
	c.r.Title = "yunta compare -- " + texts[0] + " --vs " + texts[1]
	c.r.Workers = 0
	counts := c.addNoise()
	order := compare.Order(counts, c.o.warmup, c.o.seed)
	work := &compare.Workload{Name: "commands", About: "A is " + texts[0] + "; B is " + texts[1], Runs: []*compare.Run{}}
	c.r.Workloads = append(c.r.Workloads, work)
	c.bar.start(int64(len(order)))
	said := map[string]bool{}
	for turn, i := range order {
		arm := c.r.Arms[i]
		which := 0
		if strings.TrimSuffix(arm.Key, again) == "b" {
			which = 1
		}
		run, err := c.executor.Command(ctx, c.o.commands[which])
		if err != nil {
			return err
		}
		c.bar.add(1)
		if run.Error != "" {
			c.failed = true
			if text := fmt.Sprintf("%s: %s: %s\n", c.name, arm.Name, run.Error); !said[text] {
				said[text] = true
				_, _ = io.WriteString(c.bar, text) // nothing can be done about it
			}
		}
		if turn >= len(counts)*c.o.warmup {
			run.Arm, run.Order = arm.Key, turn-len(counts)*c.o.warmup
			work.Runs = append(work.Runs, run)
		}
	}
	return nil
}
