package main

import (
	"errors"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/manual"
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages of all commands into a folder",
		Long: `Writes a page for each command into DIR, as yunta-map.1, from the same text as the commands' help. The
folder is made if it is not there; pages of earlier builds are written over.

  yunta man ~/.local/share/man/man1 && man yunta-map
  yunta man pages && man -l pages/yunta-map.1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("needs the name of one folder")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return manual.Write(args[0], manual.Pages(newRootCommand(nil), "yunta "+programVersion()))
		},
	}
}
