// Package oslock holds locks and semaphores that keep processes apart: any process of the
// machine that can open the file takes part, and the operating system knows when one of them died.
package oslock
