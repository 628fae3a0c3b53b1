package compare

import (
	"math/rand/v2"
)

// Order returns which arm has each turn, as indexes: the warm-up runs of all arms first, in order, and then counts[i] runs of arm i,
// interleaved. Every round has one run of each arm that still has some, shuffled by the seed, so that what the machine does meanwhile
// hits all arms alike.
func Order(counts []int, warmup int, seed uint64) []int {
	random := rand.New(rand.NewPCG(seed, 0))
	var order []int
	for range warmup {
		for arm := range counts {
			order = append(order, arm)
		}
	}
	most := 0
	for _, n := range counts {
		most = max(most, n)
	}
	for round := range most {
		var turn []int
		for arm, n := range counts {
			// An arm with fewer runs has them spread over the rounds.
			if (round+1)*n/most > round*n/most {
				turn = append(turn, arm)
			}
		}
		random.Shuffle(len(turn), func(i, j int) { turn[i], turn[j] = turn[j], turn[i] })
		order = append(order, turn...)
	}
	return order
}
