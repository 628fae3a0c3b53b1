package wordcount

// A Batch is what one task counts.
type Batch struct {
	Pieces []Piece
	Listed int64 // bytes in all, by the sizes of the files when they were listed
}

// A Piece is a stretch of a file: what begins at Off or after it, and before End. An End below zero is the end of the file, wherever
// that is when it is read.
type Piece struct {
	Path     string
	Off, End int64
}

// Batches cuts files into batches of about target bytes: small files go together, so that a task is worth its passage, and a file
// of more than twice the target is cut, so that no worker is left alone with it. A file costs perFile bytes beside its own.
func Batches(files []File, target int64) []Batch {
	var (
		batches []Batch
		open    Batch
		size    int64
	)
	add := func(p Piece, bytes int64) {
		open.Pieces = append(open.Pieces, p)
		open.Listed += bytes
		size += bytes + perFile
		if size >= target {
			batches = append(batches, open)
			open, size = Batch{}, 0
		}
	}
	for _, f := range files {
		if f.Size <= 2*target {
			add(Piece{f.Path, 0, -1}, f.Size)
			continue
		}
		for off := int64(0); off < f.Size; off += target {
			if f.Size-off < target+target/2 {
				add(Piece{f.Path, off, -1}, f.Size-off)
				break
			}
			add(Piece{f.Path, off, off + target}, target)
		}
	}
	if len(open.Pieces) > 0 {
		batches = append(batches, open)
	}
	return batches
}

// perFile is about what can be counted in the time that opening and closing a file takes.
const perFile = 4 << 10

// Target returns the size of batches for a total of bytes and a number of workers: enough of them that the workers end together,
// few enough that neither the passage of a task nor the merging of its result matters.
func Target(total int64, workers int) int64 {
	const (
		perWorker = 24
		least     = 16 << 10
		most      = 4 << 20
	)
	return min(max(total/int64(workers*perWorker), least), most)
}
