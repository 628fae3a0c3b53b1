// Package top shows what the running supervisors of this user and their workers do: [Sampler] gathers it, [View] makes it
// a screen, as a pure function of what was gathered, and [Run] keeps the screen up to date and takes keys.
package top
