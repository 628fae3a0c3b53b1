package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// bashAlone replaces the one function of the script that needs the package bash-completion, which not every machine has.
const bashAlone = `
__yunta_init_completion()
{
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    local line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    cword=$((${#words[@]} - 1))
    cur=${words[cword]}
    prev=${words[cword - 1]}
}
`

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Write what makes a shell complete words of this command",
		Long: `Writes a script for a shell, which then completes commands, options and what they may be, programs, files
and names of semaphores.

  source <(yunta completion bash)                                       in ~/.bashrc
  yunta completion zsh > "${fpath[1]}/_yunta"                           once, then a new shell
  yunta completion fish > ~/.config/fish/completions/yunta.fish         once`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || cobra.OnlyValidArgs(cmd, args) != nil {
				return errors.New("needs the name of a shell: bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeCompletion(cmd.Root(), args[0], cmd.OutOrStdout())
		},
	}
}

func writeCompletion(root *cobra.Command, shell string, out io.Writer) error {
	switch shell {
	case "zsh":
		return root.GenZshCompletion(out)
	case "fish":
		return root.GenFishCompletion(out, true)
	}
	if err := root.GenBashCompletionV2(out, true); err != nil {
		return err
	}
	_, err := fmt.Fprint(out, bashAlone)
	return err
}
