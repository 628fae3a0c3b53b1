package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"yunta/cmd/yunta/internal/top"
)

// minInterval bounds how often top looks: looking costs a process of its own some tenths of a millisecond for each worker.
const minInterval = 100 * time.Millisecond

func newTopCommand() *cobra.Command {
	var asJSON, once bool
	var count int
	var interval time.Duration
	var o top.Settings
	sort := "worker"
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch all running supervisors and their workers",
		Long: `Shows what all running supervisors of this user and their workers do: process, core, state, the task and how
long it has run, how many were done and failed, restarts, CPU and memory, and which lock a worker waits for
and who owns it. Workers that wait for each other in a circle are named as a deadlock. It reads boards that are
mapped memory: nobody is disturbed, and leaving kills nobody.

In the full-screen view ? explains the keys. Restarting and killing ask first. Without a terminal, and with
--once, --count or --json, it prints what there is to see instead. CPU is in percent of one core, since the look
before, at the first over a process's whole life. Pools of goroutines are not listed: they have no processes to see.
On macOS there is neither CPU nor memory to see.

Exit status: 0 done, also when no supervisor is running, 1 failed, 2 bad command line.`,
		Example: "  yunta top\n  yunta top --once --sort cpu\n  yunta top --json | jq '.supervisors[].workers[] | select(.state == \"running\") | .pid'",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case interval < minInterval:
				return usagef("--interval %v: at least %v", interval, minInterval)
			case count < 0:
				return usagef("--count %d: must not be negative", count)
			case once && count > 1:
				return usagef("--once and --count %d contradict each other", count)
			}
			order, err := parseOrder(sort)
			if err != nil {
				return err
			}
			o.Sort = order
			if once {
				count = 1
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			out, look := cmd.OutOrStdout(), lookAt(cmd.OutOrStdout())
			if asJSON {
				e := json.NewEncoder(out)
				return top.Batch(ctx, out, max(count, 1), interval, func(s *top.Snapshot) error { return e.Encode(s.Report()) })
			}
			screen, isScreen := screenOf(out)
			if count == 0 && (!isScreen || !isTerminal(os.Stdin)) {
				count = 1
			}
			if count > 0 {
				return top.Batch(ctx, out, count, interval, func(s *top.Snapshot) error {
					_, err := io.WriteString(out, s.Text(look, o))
					return err
				})
			}
			stop() // the view takes Ctrl-C as a key
			return top.Run(cmd.Context(), os.Stdin, screen, look, interval, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&once, "once", false, "print once and end")
	f.IntVarP(&count, "count", "n", 0, "print so many times and end")
	f.BoolVar(&asJSON, "json", false, "print one JSON object a time, on a line; once, if --count does not say otherwise")
	f.DurationVar(&interval, "interval", time.Second, "time between two looks")
	f.StringVar(&o.Filter, "filter", "", "show only what has this text in it")
	f.StringVar(&sort, "sort", sort, "sort workers by "+strings.Join(orderNames(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(orderNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func orderNames() (names []string) {
	for o, first := top.ByWorker, true; first || o != top.ByWorker; o, first = o.Next(), false {
		names = append(names, o.String())
	}
	return names
}

func parseOrder(s string) (top.Order, error) {
	for i, name := range orderNames() {
		if name == s {
			return top.Order(i), nil
		}
	}
	return 0, usageError{fmt.Errorf("--sort %q: want one of %s", s, strings.Join(orderNames(), ", "))}
}

// screenOf returns the terminal behind an output that the view can be drawn on.
func screenOf(out io.Writer) (*os.File, bool) {
	if k, ok := out.(*keenWriter); ok {
		out = k.w
	}
	f, ok := out.(*os.File)
	return f, ok && drawable(f)
}

// lookAt says how to draw on an output: $COLUMNS counts where there is no terminal, and colours are for terminals
// whose user does not refuse them (no-color.org).
func lookAt(out io.Writer) top.Look {
	l := top.Look{Width: 100, Unicode: unicodeLocale()}
	var columns int
	if _, err := fmt.Sscan(os.Getenv("COLUMNS"), &columns); err == nil && columns > 0 {
		l.Width = columns
	}
	if screen, ok := screenOf(out); ok {
		l.Colour = os.Getenv("NO_COLOR") == ""
		if w, _, err := term.GetSize(int(screen.Fd())); err == nil && w > 0 {
			l.Width = w
		}
	}
	return l
}

// unicodeLocale reports whether the locale's characters are UTF-8, by the first variable that is set (POSIX, 8.2).
func unicodeLocale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
