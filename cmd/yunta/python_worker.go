package main

import (
	"io"

	"github.com/spf13/cobra"

	"yunta/child/python"
)

func newPythonWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "python-worker",
		Short: "Print yunta_worker.py, with which Python programs serve pools",
		Long: `Prints a Python module, for Python 3.6 and later, that needs nothing but the standard library:

  yunta python-worker > yunta_worker.py

A Python program beside it registers its functions and serves:

  import yunta_worker as yunta

  @yunta.entry
  def square(n):
      return n * n

  if __name__ == "__main__":
      yunta.main()

and a Go program runs them in a pool of such processes:

  square := child.Foreign[int, int]("square")
  pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Command: []string{"python3", "worker.py"}})
  squares, err := supervisor.Map(ctx, pool, square, []int{1, 2, 3})`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), python.Worker)
			return err
		},
	}
}
