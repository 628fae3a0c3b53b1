package ipc

import (
	"fmt"
	"os"
	"testing"
)

func TestCPython__TestListener_test_abstract_socket(t *testing.T) {
	t.Parallel()
	listenAndSay(t, "unix", fmt.Sprintf("@something-%d", os.Getpid()))
}
