/*
 * The protocol of a semaphore with undo (semaphore_undo.go, semaphore_plain.go), with a kill possible at every step.
 *
 * N       processes, each of which takes a permit and gives it back, ROUNDS times
 * PERMITS the initial value
 * CRASHES kills: the process starts again as the next tenant of its slot
 * SLEEPFOREVER: no sleep ends by itself. Without crashes this must not end with somebody asleep.
 *
 * Checked: value and counts, the word's own row taken from the word, add up to PERMITS at every instant; never more
 * living owners of permits than PERMITS; nobody is left waiting; at the end all permits are there.
 *
 * Broken on purpose: NOHELP (the row is written by its owner, after the exchange) loses the permit of one killed
 * between the two; NOMARK (who has slept does not put W on again) leaves somebody asleep.
 */
#ifndef N
#define N 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef PERMITS
#define PERMITS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif

#define SEQS 8	/* 2^21 in the real one */

/* The word, and a row: packed as the real ones, so that an exchange is one comparison. */
#define WORD(value, w, slot, count, seq) ((value) | (w) << 2 | (slot) << 3 | (count) << 5 | (seq) << 7)
#define VALUE(x) ((x) & 3)
#define WAITS(x) ((x) >> 2 & 1)
#define SLOT(x)  ((x) >> 3 & 3)
#define COUNT(x) ((x) >> 5 & 3)
#define SEQ(x)   ((x) >> 7)
#define ROW(gen, count, seq, ver) ((gen) | (count) << 2 | (seq) << 4 | (ver) << 7)
#define GEN(r)    ((r) & 3)
#define RCOUNT(r) ((r) >> 2 & 3)
#define RSEQ(r)   ((r) >> 4 & 7)
#define RVER(r)   ((r) >> 7)
#define SAME(x, y) (((x) & ~4) == ((y) & ~4))

short word = PERMITS;
short row[N];
bool flocked[N];
byte gen[N];
byte shared[N];
bool asleep[N];
bool killed[N];

byte owners;	/* ghost: living processes between acquire and release */
byte i_, sum_;

/* What row[i] is by the word. */
#ifdef NOHELP
#define EFFECT(i) RCOUNT(row[i])
#else
#define EFFECT(i) ((SLOT(word) == (i) && RSEQ(row[i]) != SEQ(word)) -> COUNT(word) : RCOUNT(row[i]))
#endif

inline exact() {
	sum_ = VALUE(word);
	for (i_ : 0 .. N - 1) { sum_ = sum_ + EFFECT(i_) }
#ifndef NOHELP
	assert(sum_ == PERMITS);
#endif
	i_ = 0; sum_ = 0
}

inline wake(k) {	/* k sleepers, or as many as there are */
	atomic {
		n = k;
		do
		:: n > 0 && asleep[0] -> asleep[0] = false; n--
		:: n > 0 && asleep[1] -> asleep[1] = false; n--
#if N > 2
		:: n > 0 && asleep[2] -> asleep[2] = false; n--
#endif
		:: else -> n = 0; break
		od
	}
}

/* help: the operation that stands in the word goes into its row. x was read from the word before. */
inline help() {
#ifndef NOHELP
	h = row[SLOT(x)];
	if
	:: RSEQ(h) == SEQ(x) || !SAME(word, x) -> skip
	:: else ->
		atomic {
			if
			:: row[SLOT(x)] == h -> row[SLOT(x)] = ROW(GEN(h), COUNT(x), SEQ(x), (RVER(h) + 1) & 7); exact()
			:: else
			fi
		}
	fi;
	h = 0
#else
	skip
#endif
}

/* settle: x is the word, r the row of slot by that word, seq a number for an operation on it. */
inline settle(slot) {
	do
	:: x = word;
	   help();
	   r = row[slot];
	   if
	   :: word == x -> break
	   :: word != x
	   fi
	od;
	atomic {
		seq = (SEQ(x) + 1) % SEQS;
		if :: seq == RSEQ(r) -> seq = (seq + 1) % SEQS :: else fi
	}
}

/* The exchange: ok says whether it was done. NOHELP writes the row only after it. */
inline exchange(value, w, slot, count) {
	atomic {
		if
		:: word == x -> word = WORD(value, w, slot, count, seq); ok = true; exact()
		:: else -> ok = false
		fi
	}
}

inline record(slot, count) {
#ifdef NOHELP
	row[slot] = ROW(GEN(r), count, seq, 0)
#else
	skip
#endif
}

/* giveBack: what the dead member g of slot had. */
inline giveBack(slot, g) {
	do
	:: settle(slot);
	   if
	   :: GEN(r) != g || RCOUNT(r) == 0 -> break
	   :: else
	   fi;
	   exchange(VALUE(x) + RCOUNT(r), 0, slot, 0);
	   if
	   :: ok ->
		record(slot, 0);
		if :: WAITS(x) -> wake(RCOUNT(r)) :: else fi;
		break
	   :: else
	   fi
	od
}

proctype Process(byte me) {
	short x, r, h;
	byte seq, n, round, held, k, mine;
	bool ok, slept, in;
start:	{
	atomic { !flocked[me] && shared[me] == 0 -> flocked[me] = true }
	atomic { gen[me]++; mine = gen[me] }
	/* claimRow */
	do
	:: settle(me);
	   if
	   :: RCOUNT(r) > 0 -> giveBack(me, GEN(r))
	   :: RCOUNT(r) == 0 && GEN(r) == mine -> break
	   :: RCOUNT(r) == 0 && GEN(r) != mine ->
		atomic {
			if
			:: row[me] == r -> row[me] = ROW(mine, 0, RSEQ(r), (RVER(r) + 1) & 7); exact()
			:: else
			fi
		}
	   fi
	od;
	do
	:: round == ROUNDS -> break
	:: else ->
		slept = false;
take:		settle(me);
		if
		:: VALUE(x) > 0 ->
#ifdef NOMARK
			exchange(VALUE(x) - 1, WAITS(x), me, RCOUNT(r) + 1);
#else
			exchange(VALUE(x) - 1, (slept -> 1 : WAITS(x)), me, RCOUNT(r) + 1);
#endif
			if :: ok :: !ok -> goto take fi;
			record(me, RCOUNT(r) + 1);
			if :: slept && VALUE(x) > 1 -> wake(1) :: else fi;
			goto got
		:: else
		fi;
mark:		x = word;
		if
		:: VALUE(x) > 0 -> goto take
		:: else
		fi;
		if
		:: WAITS(x)
		:: !WAITS(x) ->
			atomic { if :: word == x -> word = x | 4; x = x | 4; ok = true :: else -> ok = false fi }
			if :: ok :: !ok -> goto mark fi
		fi;
		/* futex_wait, on the half of the word that has value, W and slot */
		if
		:: atomic { (word & 31) == (x & 31) -> asleep[me] = true }
		:: atomic { (word & 31) != (x & 31) -> slept = true; goto take }
		fi;
		if
		:: atomic { !asleep[me] -> slept = true; goto take }
#ifndef SLEEPFOREVER
		:: atomic { timeout -> asleep[me] = false; slept = true }
#endif
		fi;
		/* recoverDead */
		x = word; help();
		k = 0;
		do
		:: k == N -> break
		:: else ->
			r = row[k];
			if
			:: RCOUNT(r) > 0 && k != me && !flocked[k] ->
				atomic {
					if :: !flocked[k] -> held = k + 1; shared[k]++ :: else fi
				}
				if
				:: held && gen[k] >= GEN(r) -> giveBack(k, GEN(r))
				:: else
				fi;
				atomic { if :: held -> shared[held - 1]-- :: else fi; held = 0 }
			:: else
			fi;
			k++
		od;
		k = 0;
		goto take;

got:		atomic { in = true; owners++; assert(owners <= PERMITS) }
		atomic { in = false; owners-- }
		do
		:: settle(me);
		   exchange(VALUE(x) + 1, 0, me, RCOUNT(r) - 1);
		   if
		   :: ok ->
			record(me, RCOUNT(r) - 1);
			if :: WAITS(x) -> wake(1) :: else fi;
			break
		   :: else
		   fi
		od;
		atomic { x = 0; r = 0; seq = 0; round++ }
	od
	} unless {
		atomic {
			killed[me] ->
			killed[me] = false; flocked[me] = false; asleep[me] = false;
			if :: held -> shared[held - 1]-- :: else fi;
			if :: in -> owners-- :: else fi;
			held = 0; in = false; slept = false; ok = false;
			x = 0; r = 0; h = 0; seq = 0; n = 0; k = 0;
			goto start
		}
	}
}

init {
	byte i, left = CRASHES;
	atomic {
		for (i : 0 .. N - 1) { run Process(i) }
	}
	do
	:: atomic { left > 0 -> left--; killed[0] = true }
	:: atomic { left > 0 -> left--; killed[1] = true }
	:: break
	od;
	_nr_pr == 1;	/* all have ended */
	i = VALUE(word);
	assert(i == PERMITS)
}
