package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// A choice is a flag that takes one of a few words. It stands for the value of the same index in values.
type choice[T any] struct {
	words  []string
	values []T
	chosen int
}

// addChoice adds a flag whose default is the first word.
func addChoice[T any](cmd *cobra.Command, c *choice[T], name, usage string) {
	cmd.Flags().Var(c, name, usage)
	// The error is for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.words, cobra.ShellCompDirectiveNoFileComp))
}

func (c *choice[T]) value() T { return c.values[c.chosen] }

// String, Set and Type make it a pflag.Value.

func (c *choice[T]) String() string { return c.words[c.chosen] }

func (c *choice[T]) Set(word string) error {
	for i, w := range c.words {
		if w == word {
			c.chosen = i
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", strings.Join(c.words, ", "))
}

func (c *choice[T]) Type() string { return strings.Join(c.words, "|") }
