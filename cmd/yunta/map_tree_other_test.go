//go:build linux && portable

package main

const wholeTree = false
