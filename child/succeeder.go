package child

// Succeeder is implemented by results that tell of success or failure
// themselves, such as the exit status of a program. Such a result is handed
// over like any other, whatever it says; but where results are kept in a file,
// one that did not succeed is marked, and a resumed run calls the entry again.
type Succeeder interface {
	Succeeded() bool
}
