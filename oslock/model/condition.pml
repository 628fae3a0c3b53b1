/*
 * The protocol of a condition (condition.go, condition_table.go), with a kill possible at every step. The lock is
 * taken as lock.pml shows it to be: one owner at a time; a dead owner's is taken over by whoever wants it.
 *
 * Process 0 produces ITEMS items, one at a time under the lock, and notifies one waiter each time. The other
 * processes take one item each: lock, wait for an item, take it, unlock.
 *
 * N       processes
 * CRASHES kills. A killed taker does not come back; a killed producer goes on with what it had not yet
 *         produced, as somebody else would.
 * CANCELS how often process 1 may give up waiting; it then takes none
 *
 * A sleeper that looks for the dead is modelled by what it would see: without crashes there is nothing, so nobody
 * needs the pace. Checked: no living taker
 * sleeps while there is an item (nobody's notification was eaten or lost); nobody is left waiting for the lock; the
 * table is empty of living members at the end.
 *
 * Broken on purpose: NOPASS (the mark of a dead member is not passed on) and DEAFFIRST (a sleeper looks at its
 * entry, and only then at the bell) leave somebody asleep beside an item.
 */
#ifndef N
#define N 3
#endif
#ifndef ITEMS
#define ITEMS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef CANCELS
#define CANCELS 0
#endif

#define FREE    0
#define WAITING 1
#define MARKED  2

byte owner;		/* of the lock: process + 1, 0: free */
byte deaths;		/* dead owners found */
byte entry[N];
byte ticket[N];		/* of an entry; of one marked, the first ticket that was not given out then */
byte tickets;
byte bell[N];		/* 0, 1 rings; + 2: W. The real one counts to 2^31 */
bool asleep[N];
bool dead[N];
bool killed[N];
byte cancels = CANCELS;

/* What a sleeper would see that looks for the dead: an owner, or a mark. */
#define DEADOWNER (owner != 0 && dead[owner - 1])
#define LOSTMARK(k) (entry[k] == MARKED && dead[k])
#if defined(NOPASS)
#define reason() (DEADOWNER || deaths != seen)
#elif N == 3
#define reason() (DEADOWNER || deaths != seen || LOSTMARK(1) || LOSTMARK(2))
#else
#define reason() (DEADOWNER || deaths != seen || LOSTMARK(1) || LOSTMARK(2) || LOSTMARK(3))
#endif

byte items, produced;
byte i_, best_;

/* lock: free, or the owner is dead. */
inline lock() {
	atomic {
		(owner == 0 || dead[owner - 1]) ->
		if :: owner != 0 -> deaths++ :: else fi;
		owner = me + 1
	}
}

inline unlock() {
	atomic { assert(owner == me + 1); owner = 0 }
}

/* The oldest waiting entry whose ticket came before limit; N if there is none. living: only of the living. */
inline oldest(limit, living) {
	best_ = N;
	for (i_ : 1 .. N - 1) {
		if
		:: entry[i_] == WAITING && ticket[i_] < limit && (!living || !dead[i_]) ->
			if
			:: best_ == N -> best_ = i_
			:: best_ != N && ticket[i_] < ticket[best_] -> best_ = i_
			:: else
			fi
		:: else
		fi
	}
	i_ = 0
}

/* ring: another ring, W off, and wake whoever sleeps on it. */
inline ring(p) {
	atomic {
		c = bell[p];
		bell[p] = (c + 1) & 1
	}
	atomic {
		if :: c & 2 -> asleep[p] = false :: else fi;
		c = 0
	}
}

proctype Producer() {
	byte me = 0, m, c;
start:	{
	do
	:: produced == ITEMS -> break
	:: else ->
		lock();
		atomic { items++; produced++ }
		/* notify(1) */
		atomic { oldest(255, false); m = best_; best_ = 0 }
		if
		:: m < N ->
			atomic { entry[m] = MARKED; ticket[m] = tickets + 1 }
			ring(m)
		:: else
		fi;
		unlock()
	od
	} unless {
		/* Dead, until it starts again, as another member who takes over what it had if nobody has. */
		atomic { killed[0] -> killed[0] = false; dead[0] = true }
		atomic {
			if :: owner == 1 -> owner = 0; deaths++ :: else fi;
			dead[0] = false; m = 0; c = 0;
			goto start
		}
	}
}

proctype Taker(byte me) {
	byte v, seen, m, k, c;
	bool gone;
	{
	lock();
	do
	:: items > 0 || gone -> break
	:: else ->
		/* Wait: sit, unlock, await, lock, rise */
		atomic { tickets++; ticket[me] = tickets; entry[me] = WAITING }
		seen = deaths;
		unlock();
		do
		:: true ->
#ifdef DEAFFIRST
			if :: entry[me] == MARKED -> break :: else fi;
#endif
			v = bell[me];
			if
			:: !(v & 2) ->
				atomic {
					if
					:: bell[me] == v -> bell[me] = v | 2; v = v | 2
					:: else -> v = 255
					fi
				}
			:: else
			fi;
			if
			:: v == 255
			:: v != 255 ->
#ifndef DEAFFIRST
				if :: entry[me] == MARKED || deaths != seen -> break :: else fi;
#endif
				if
				:: atomic { me == 1 && cancels > 0 -> cancels--; gone = true } ; break
				:: true
				fi;
				atomic { if :: bell[me] == v -> asleep[me] = true :: else fi }
				/* Who waits may do so for ever, if there is no reason not to. */
endsleep:			if
				:: !asleep[me]
				:: atomic { asleep[me] && me == 1 && cancels > 0 -> cancels--; asleep[me] = false; gone = true }; break
				:: atomic { asleep[me] && reason() -> asleep[me] = false }
					if :: (owner != 0 && dead[owner - 1]) || deaths != seen -> break :: else fi;
#ifndef NOPASS
					k = 1;
					do
					:: k == N -> break
					:: else ->
						if
						:: entry[k] == MARKED && dead[k] ->
							lock();
							if
							:: entry[k] == MARKED && dead[k] ->
								atomic { oldest(ticket[k], true); m = best_; best_ = 0 }
								if
								:: m < N ->
									atomic { entry[m] = MARKED; ticket[m] = ticket[k] }
									ring(m)
								:: else
								fi;
								entry[k] = FREE
							:: else
							fi;
							unlock()
						:: else
						fi;
						k++
					od;
					k = 0; m = 0
#else
					skip
#endif
				fi
			fi
		od;
		v = 0;
		lock();
		atomic {
			if :: entry[me] == MARKED -> gone = false :: else fi;
			entry[me] = FREE; seen = 0
		}
	od;
	if
	:: atomic { items > 0 -> items-- }
	:: else
	fi;
	unlock()
	} unless {
		atomic { killed[me] -> dead[me] = true; asleep[me] = false }
	}
}

init {
	byte i, left = CRASHES;
	atomic {
		run Producer();
		for (i : 1 .. N - 1) { run Taker(i) }
		i = 0
	}
	do
	:: atomic { left > 0 -> left--; killed[0] = true }
	:: atomic { left > 0 -> left--; killed[1] = true }
	:: break
	od;
	/* Nothing can move any more: nobody who lives sleeps beside an item. */
	timeout;
	for (i : 1 .. N - 1) {
		assert(items == 0 || entry[i] == FREE || dead[i])
	}
}
