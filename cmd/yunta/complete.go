package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/getopt"
)

// A completer is how cobra asks what a word may become. With no answer shells offer files.
type completer = func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective)

// addCompletions says what the words of all commands may become.
func addCompletions(root *cobra.Command) {
	sub := func(path ...string) *cobra.Command {
		cmd, _, _ := root.Find(path) // they are there
		return cmd
	}
	m := sub("map")
	m.ValidArgsFunction = completeCommand
	completeFlags(m, map[string]string{
		"trim": "l r lr", "header": ":", "timeout": "", "grace": "", "retries": "", "backoff": "", "tagstring": "", "delimiter": "", "colsep": "",
		"halt": "never now,fail=1 now,success=1 now,done=1 soon,fail=1 soon,success=1 soon,done=1",
	})
	completeFolders(m, "wd", "outputs")
	_ = m.RegisterFlagCompletionFunc("env", completeVariables) // the flag exists
	k := sub("keep")
	k.ValidArgsFunction = completeCommand
	completeFlags(k, map[string]string{"restart": "always failure never", "strategy": "one all rest"})
	completeFolders(k, "output")
	completeFlags(sub("results"), map[string]string{"status": "succeeded failed unsuccessful running interrupted"})
	for _, name := range []string{"wait", "post", "value", "unlink"} {
		sub("semaphore", name).ValidArgsFunction = completeSemaphores
	}
	none := cobra.FixedCompletions(nil, cobra.ShellCompDirectiveNoFileComp)
	for _, path := range [][]string{{"version"}, {"top"}, {"semaphore", "create"}, {"semaphore", "list"}} {
		sub(path...).ValidArgsFunction = none
	}
	folder := cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	sub("doctor").ValidArgsFunction, sub("man").ValidArgsFunction = folder, folder
	sub("parallel").ValidArgsFunction = completeOptions(0, func() *getopt.Set { return newParallelOptions().set() })
	sub("lock").ValidArgsFunction = completeOptions(1, func() *getopt.Set { return new(lockRequest).options(new(bool)) })
	sub("sem").ValidArgsFunction = completeOptions(0, func() *getopt.Set { return new(semRequest).options(new(string)) })
}

// completeVariables offers the names of this environment.
func completeVariables(_ *cobra.Command, _ []string, begun string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, begun) {
			names = append(names, name+"=")
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeCommand offers programs for the first operand and files for the others: what a command does with them is not known here.
func completeCommand(_ *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return programNames(begun), cobra.ShellCompDirectiveDefault
}

// programNames are the programs of $PATH that begin so.
func programNames(begun string) (names []cobra.Completion) {
	if begun == "" || strings.ContainsRune(begun, filepath.Separator) {
		return nil // all of them would be of no help
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(dir) // one that cannot be read has nothing to offer
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), begun) {
				continue
			}
			if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// completeOptions is for commands that read their options themselves. first is how many operands stand before the program.
func completeOptions(first int, set func() *getopt.Set) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		rest, value := set().Pending(args)
		switch {
		case value:
			return nil, cobra.ShellCompDirectiveDefault
		case rest == nil && strings.HasPrefix(begun, "-"):
			var words []cobra.Completion
			for _, w := range set().Words() {
				if strings.HasPrefix(w, begun) {
					words = append(words, w)
				}
			}
			return words, cobra.ShellCompDirectiveDefault
		case len(rest) < first:
			return nil, cobra.ShellCompDirectiveDefault
		}
		return completeCommand(cmd, rest[first:], begun)
	}
}

// completeSemaphores offers the names of semaphores.
func completeSemaphores(_ *cobra.Command, args []string, begun string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	_ = eachSemaphore(func(name string, _ int, _ string) { // without a run directory there are none
		if strings.HasPrefix(name, begun) && !slices.Contains(args, name) {
			names = append(names, name)
		}
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFlags says what the values of some flags may be; those not named here are files, or nobody knows.
func completeFlags(cmd *cobra.Command, words map[string]string) {
	for name, list := range words {
		// The error is for a flag that does not exist.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(strings.Fields(list), cobra.ShellCompDirectiveNoFileComp))
	}
}

// completeFolders says which flags want a folder.
func completeFolders(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		_ = cmd.MarkFlagDirname(name) // the error is the same
	}
}
