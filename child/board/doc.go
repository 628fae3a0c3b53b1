// Package board is the notice board of a supervisor: a mapped file with one line for each worker, which says
// what the worker is doing. Workers write their lines, anybody of the same user reads them, and nobody waits for
// anybody: a program such as top costs the workers nothing.
//
// The file, all numbers in the machine's byte order, words of 64 bits:
//
//	offset  size  header
//	     0     8  magic "yuntabrd", stored last
//	     8     4  version, 2
//	    12     4  byte-order mark, 0x01020304
//	    16     4  size of a line, 192
//	    20     4  number of lines
//	    24     8  process id of the supervisor
//	    32     8  when it started, Unix time in ns
//	    40    64  its name, padded with zeros
//	   256        line 0, line 1, ...
//
//	word  line
//	   0  of the supervisor: process id 32, restarts 24, state 8 (low to high)
//	   1  sequence number of words 2 to 13, which the worker alone writes
//	   2  process id 32, CPU+1 16, state 8
//	   3  job
//	   4  index of the task in the job
//	   5  when it started, Unix time in ns
//	   6  tasks done by this process
//	   7  tasks failed in it
//	8-11  name of the entry, padded with zeros
//	  12  tasks done by the processes that served the line before
//	  13  tasks failed in those
//	  14  sequence number of words 15 to 23, which the worker alone writes
//	  15  process id 32 of the owner of the lock that it waits for, 0 if not known
//	  16  since when it waits, Unix time in ns
//	17-23 name of that lock, the end of it, padded with zeros
//
// A sequence number is odd while its words are being changed, and grows with each change. Who reads the same even
// number before and after the words has words that belong together. A worker killed in between leaves an
// odd number for good: its readers get the words as they are, marked [Status.Torn].
//
// Files of another version are refused; a version never changes its layout.
package board
