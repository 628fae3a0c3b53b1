/*
 * The protocol of a lock (lock_word.go, lock_wait.go, registry.go), with a kill possible at every step.
 *
 * N       processes, each of which locks ROUNDS times; the last one MORE times more
 * CRASHES kills: the process loses its flocks and starts again as another member
 * CANCELS how often process 0 may give up waiting
 * LOOKS   1: a waiter may look at any time whether the owner lives, which makes it "old". 0: only when nothing
 *         else can move (the pace of the real one), so without crashes nobody needs it
 * SLEEPFOREVER: no sleep ends by itself. Without crashes this must not end with somebody asleep.
 *
 * Checked: one inside at a time; who enters after a death inside is told (D), until a repair; an unlock finds its
 * own number; nobody is left waiting (invalid end state).
 *
 * Broken on purpose: REUSED (numbers without generation, judged without keeping the slot) lets two in; SILENT
 * (who gives up passes nothing on) leaves somebody asleep.
 */
#ifndef N
#define N 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef MORE
#define MORE 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef CANCELS
#define CANCELS 0
#endif
#ifndef LOOKS
#define LOOKS 0
#endif

/* The word: bits 0-1 slot+1, bits 2-3 generation, W, S, D. */
#define OWNER 15
#define W     16
#define S     32
#define D     64

#ifdef REUSED
#define NUMBER(p) ((p) + 1)
#else
#define NUMBER(p) ((p) + 1 + 4 * gen[p])
#endif

byte word;
bool flocked[N];	/* the slot's tenant lives */
byte gen[N];		/* of the slot's last tenant */
byte shared[N];		/* how many judges keep the slot from a new tenant */
bool asleep[N];
bool killed[N];
byte cancels = CANCELS;

byte inside;		/* ghosts */
bool dirty;

inline wake() {
	atomic {
		n = 0;
		if
		:: asleep[0] -> asleep[0] = false; n = 1
		:: asleep[1] -> asleep[1] = false; n = 1
#if N > 2
		:: asleep[2] -> asleep[2] = false; n = 1
#endif
		:: else
		fi
	}
}

proctype Process(byte me) {
	byte number, v, w, o, n, round, held;
	bool old, slept, woken, in;
start:	{
	atomic { !flocked[me] && shared[me] == 0 -> flocked[me] = true }
	/* Until the next step the last tenant looks alive. */
	atomic { gen[me]++; number = NUMBER(me) }
	do
	:: round == ROUNDS + (me == N - 1 -> MORE : 0) -> break
	:: else ->
		atomic { old = false; slept = false; woken = false }
		if
		:: atomic { word == 0 -> word = number; goto got }
		:: word != 0
		fi;
loop:		v = word;
		if
		:: (v & OWNER) == 0 && (!(v & S) || old || woken) ->
			if
			:: atomic { word == v -> word = number | (v & D) | (slept -> W : (v & W)); goto got }
			:: atomic { word != v -> goto loop }
			fi
		:: else
		fi;
		if
		:: atomic { me == 0 && cancels > 0 -> cancels--; goto leave }
		:: atomic { LOOKS && !old -> goto look }
		:: true
		fi;
		w = v | W | (old -> S : 0);
		if
		:: w != v ->
			if
			:: atomic { word == v -> word = w }
			:: atomic { word != v -> goto loop }
			fi
		:: else
		fi;
		/* futex_wait: sleeps only if the word is still w */
		if
		:: atomic { word == w -> asleep[me] = true }
		:: atomic { word != w -> woken = false; slept = true; goto loop }
		fi;
		if
		:: atomic { !asleep[me] -> woken = true; slept = true; goto loop }
#ifndef SLEEPFOREVER
		:: atomic { timeout -> asleep[me] = false; woken = false; slept = true; goto look }
#endif
		:: atomic { asleep[me] && me == 0 && cancels > 0 -> cancels--; asleep[me] = false; slept = true; goto leave }
		fi;

look:		old = true;
		v = word;
		o = v & OWNER;
		if
		:: o == 0 || o == number -> goto loop
		:: else
		fi;
		/* judge: a shared flock on the slot, if it is free */
		if
		:: atomic { !flocked[(o & 3) - 1] -> held = o & 3;
#ifndef REUSED
			shared[held - 1]++
#endif
			}
		:: atomic { flocked[(o & 3) - 1] -> held = 0 }
		fi;
		if
#ifdef REUSED
		:: held == 0 -> goto loop
#else
		:: held == 0 && gen[(o & 3) - 1] <= (o >> 2) -> goto loop
#endif
		:: else
		fi;
take:		v = word;	/* dead for sure */
		if
		:: (v & OWNER) == o ->
			if
			:: atomic { word == v -> word = number | D | W }
			:: atomic { word != v -> goto take }
			fi;
			atomic {
#ifndef REUSED
				if :: held -> shared[held - 1]-- :: else fi;
#endif
				held = 0; goto got
			}
		:: else ->
			atomic {
#ifndef REUSED
				if :: held -> shared[held - 1]-- :: else fi;
#endif
				held = 0; goto loop
			}
		fi;

leave:		v = word;
		if
#ifdef SILENT
		:: true
#else
		:: (v & OWNER) == 0 ->
			if
			:: v & S ->
				if
				:: atomic { word == v -> word = v & ~S }
				:: atomic { word != v -> goto leave }
				fi
			:: else
			fi;
			if :: slept -> wake() :: else fi
		:: (v & OWNER) != 0 ->
			if
			:: slept && !(v & W) ->
				if
				:: atomic { word == v -> word = v | W }
				:: atomic { word != v -> goto leave }
				fi
			:: else
			fi
#endif
		fi;
		goto done;

got:		atomic {
			in = true; inside++;
			assert(inside == 1);
			assert(!dirty || (word & D))
		}
		if
		:: word & D ->
			dirty = false;		/* the repair */
			word = word & ~D	/* only others' W and S may come between: an atomic AND */
		:: else
		fi;
		atomic { assert((word & OWNER) == number); in = false; inside-- }
unlock:		v = word;
		if
		:: atomic { word == v -> word = v & (S | D) }
		:: atomic { word != v -> goto unlock }
		fi;
		n = 0;
		if :: v & W -> wake() :: else fi;
		do
		:: n == 0 ->	/* reserved for nobody: free for all */
			v = word;
			if
			:: (v & OWNER) != 0 || !(v & S) -> break
			:: else ->
				if
				:: atomic { word == v -> word = v & D; n = 1 }
				:: atomic { word != v -> skip }
				fi;
				if :: n && (v & W) -> wake(); n = 1 :: else fi
			fi
		:: else -> break
		od;
done:		round++
	od
	} unless {
		atomic {
			killed[me] ->
			killed[me] = false;
			flocked[me] = false; asleep[me] = false;
			if :: held -> 
#ifndef REUSED
				shared[held - 1]--;
#endif
				held = 0
			:: else fi;
			if :: in -> in = false; inside--; dirty = true :: else fi;
			old = false; slept = false; woken = false; v = 0; w = 0; o = 0; n = 0;
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
	od
}
