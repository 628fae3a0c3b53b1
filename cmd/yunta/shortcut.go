package main

import (
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

// A whole is a command that reads its own command line, as the tool does whose line it is, and returns its exit status.
type whole func(args []string) int

// Commands that other tools' users have in their fingers: they start without cobra, whose tree costs a tenth of a call of theirs.
var (
	// links are what this program is when it is called through a link of that name.
	links = map[string]whole{"flock": flockMain, "sem": semLinkMain}
	// wholes are subcommands.
	wholes = map[string]whole{"lock": lockMain, "sem": semMain, semKeeper: semKeeperMain, keepGuardName: keepGuardMain}
)

// shortcut finds the command that is meant by an argument vector, nil if it is one of cobra's.
func shortcut(argv []string) (command whole, args []string) {
	if len(argv) == 0 {
		return nil, nil
	}
	if command = links[filepath.Base(argv[0])]; command != nil {
		return command, argv[1:]
	}
	if len(argv) > 1 {
		return wholes[argv[1]], argv[2:]
	}
	return nil, nil
}

// newWholeCommand shows a whole command where cobra looks: in the list of commands, and in help.
func newWholeCommand(name, use, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long,
		DisableFlagParsing:    true,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Equal(args, []string{"--help"}) {
				return cmd.Help()
			}
			return statusError{status: wholes[name](args)}
		},
	}
}
