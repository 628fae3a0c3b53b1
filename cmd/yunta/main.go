// Yunta runs work in several processes: the small programs that show how it is done (yunta lab), and the real ones.
package main

import (
	"os"

	"yunta/child"
)

func main() {
	child.Main()
	if command, args := shortcut(os.Args); command != nil {
		os.Exit(command(args))
	}
	os.Exit(run(calledAs(os.Args), os.Stdout, os.Stderr))
}
