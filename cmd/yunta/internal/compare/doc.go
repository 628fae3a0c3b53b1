// Package compare holds what a comparison of models is made of, apart from doing the work: the runs and their numbers, the order in
// which they are made, what the numbers say, and their forms for a terminal, a spreadsheet and another program.
//
// A [Report] is a tree of plain values and its own JSON. [Report.Analyze] derives everything that is said about it, so that the table,
// the JSON and the page can only show the same numbers. Two samples are compared by their medians without any assumption about how
// they are distributed: order statistics for the interval of a median, the Mann-Whitney U test for evidence of a difference, and
// Hodges and Lehmann's median of all pairwise ratios, with the interval that belongs to that test, for its size.
package compare
