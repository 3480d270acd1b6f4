/* The robust mutex of core/src/mutex.c, for spin. The inline definitions have
 * the names of the functions there, and each of their steps is one access to
 * the word, one look at a process or one call of the kernel.
 *
 * What is checked:
 * - Nobody takes the mutex from an owner who lives.
 * - A taker is told that the last owner died with it exactly if that is so.
 * - DEATHS=0 and LOOKS=0: nobody sleeps for ever, although nobody looks at the
 *   owner after some time. With GIVE_UP some waits end at their deadline, and
 *   still no other one misses its wake-up.
 * - DEATHS>0 and LOOKS=1: when nothing else can happen, somebody who looks at
 *   the owner takes the mutex.
 *
 * A process may die in place of any step that others could see. What it does
 * with variables of its own in between doesn't matter to them.
 *
 * What is left out: a process's number that is given out again (here the word
 * names the process as its whole 64 bits do there), and pages that are lost.
 *
 * Each MUTANT is a mistake that must be found: 1 wakes before it unlocks, 2
 * takes the mutex after a sleep without WAITERS, 3 sleeps without a compare, 4
 * takes the mutex of a dead owner without a look at the word, 5 doesn't tell of
 * a death. */
#ifndef PROCESSES
#define PROCESSES 3 /* at most 4 */
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef LOOKS
#define LOOKS 0 /* does a sleep end when it is time to look at the owner? */
#endif
#ifndef GIVE_UP
#define GIVE_UP 0
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

#define WAITERS 8
#define owner_of(seen) ((seen) & 7)

mtype = { OK, TIMEOUT };

byte word; /* the owner, from 1; 0: free */
bool dead[5];
bool sleeping[5]; /* in the kernel */
bool late[5];     /* it is time to look at the owner */
bool done[5];

/* What nobody in the real world knows. */
byte holder;   /* who took the mutex and hasn't unlocked it */
byte looks;    /* how often somebody had to look since then */
byte early;    /* looks at any moment that there may be still */
byte deaths;

#define process_lives(number) (!dead[number])

inline die()
{
    d_step { dead[me] = true; sleeping[me] = false; deaths++ };
    goto gone
}

#if DEATHS
inline may_die()
{
    if
    :: true
    :: deaths < DEATHS -> die()
    fi
}
#else
inline may_die()
{
    skip
}
#endif

/* `wanted` becomes what the word is. */
inline try_change(wanted, next)
{
    atomic {
        may_die();
        if
        :: word == wanted -> word = next
        :: word != wanted -> wanted = word
        fi
    }
}

/* As try_change, for one that takes the mutex. */
inline try_take(wanted, next)
{
    atomic {
        may_die();
        if
        :: (word == wanted || (MUTANT == 4 && wanted != 0)) ->
            word = next;
            taken = true;
            assert(holder == 0 || dead[holder]);
            was_dead = holder != 0;
            holder = me;
            looks = 0
        :: word != wanted && !(MUTANT == 4 && wanted != 0) ->
            wanted = word;
            taken = false
        fi
    }
}

inline notify_one()
{
    atomic {
        may_die();
        if
        :: sleeping[1] -> sleeping[1] = false
        :: sleeping[2] -> sleeping[2] = false
        :: sleeping[3] -> sleeping[3] = false
        :: sleeping[4] -> sleeping[4] = false
        :: else
        fi
    }
}

/* mapped_atomic_wait: `status` is TIMEOUT at the caller's own deadline. */
inline sleep_a_while(seen)
{
    do
    :: atomic {
            may_die();
            status = (word != seen || late[me] -> OK : TIMEOUT);
            late[me] = false
       }
       if
       :: status == OK -> break
       :: status == TIMEOUT && GIVE_UP -> break
       :: status == TIMEOUT -> /* mapped__sleep */
            atomic { may_die(); sleeping[me] = word == seen || MUTANT == 3 };
            if
            :: !sleeping[me]
            :: atomic { sleeping[me] && deaths < DEATHS -> die() }
            fi
       fi
    od
}

inline wait_once(seen)
{
    if
    :: !(seen & WAITERS) -> try_change(seen, seen | WAITERS)
    :: else ->
        sleep_a_while(seen);
        if
        :: status == OK -> atomic { may_die(); seen = word }
        :: else
        fi
    fi
}

/* A look at an owner, and whether it lives, in one step. */
inline look_at(number)
{
    atomic { may_die(); lives = process_lives(number) }
}

inline mutex_wait()
{
    atomic { may_die(); seen = word };
    status = OK;
    do
    :: status != OK || seen == 0 -> break
    :: else ->
        before = seen;
        wait_once(seen);
        if
        :: seen == before ->
            look_at(owner_of(seen));
            if
            :: !lives -> break
            :: else
            fi
        :: else
        fi
    od;
    atomic { seen = 0; before = 0; lives = false }
}

#define takes_as (me + (slept && MUTANT != 2 -> WAITERS : 0))

/* Two of the tries to take one that is free stand for all. */
inline try_lock()
{
    try_take(seen, takes_as);
    if
    :: !taken -> seen = 0; try_take(seen, takes_as)
    :: else
    fi;
    owner_died = false;
    if
    :: !taken ->
        look_at(owner_of(seen));
        if
        :: !lives ->
            try_take(seen, me | WAITERS);
            owner_died = taken && MUTANT != 5
        :: else
        fi
    :: else
    fi;
    d_step {
        status = (taken -> OK : TIMEOUT);
        seen = 0;
        taken = false;
        lives = false
    }
}

inline mutex_lock()
{
    slept = false;
    try_lock();
    do
    :: status == OK -> break
    :: else ->
        mutex_wait();
        if
        :: status != OK -> break
        :: else
        fi;
        slept = true;
        try_lock()
    od
}

inline mutex_unlock()
{
    if
    :: MUTANT == 1 -> notify_one()
    :: else
    fi;
    seen = me;
    do
    :: atomic {
            may_die();
            if
            :: word == seen -> word = 0; holder = 0; taken = true
            :: word != seen -> seen = word
            fi
       }
       if
       :: taken -> break
       :: else -> assert(owner_of(seen) == me)
       fi
    od;
    if
    :: (seen & WAITERS) && MUTANT != 1 -> notify_one()
    :: else
    fi;
    atomic { seen = 0; taken = false }
}

proctype process(byte me)
{
    byte seen, before, round;
    bool taken, lives, slept, owner_died, was_dead;
    mtype status;
    do
    :: round == ROUNDS -> break
    :: else ->
        round++;
        mutex_lock();
        if
        :: status == OK ->
            assert(owner_died == was_dead);
            d_step { owner_died = false; was_dead = false; slept = false };
            mutex_unlock()
        :: else -> assert(GIVE_UP)
        fi
    od;
    done[me] = true;
gone:
    skip
}

inline end_sleep(sleeper)
{
    d_step { late[sleeper] = true; sleeping[sleeper] = false }
}

/* Starts the processes, kills them and ends their sleeps. */
init
{
    byte i;
    early = LOOKS;
    atomic {
        for (i : 1 .. PROCESSES) {
            run process(i)
        }
    }
    do
    :: deaths < DEATHS -> deaths = DEATHS
    :: atomic {
            early > 0 ->
            select(i : 1 .. PROCESSES);
            early--;
            if
            :: sleeping[i] -> end_sleep(i)
            :: else
            fi
       }
    :: timeout ->
        atomic {
            if
            :: sleeping[1] -> i = 1
            :: sleeping[2] -> i = 2
            :: sleeping[3] -> i = 3
            :: sleeping[4] -> i = 4
            :: else ->
                for (i : 1 .. PROCESSES) {
                    assert(done[i] || dead[i])
                }
                break
            fi;
            assert(LOOKS);
            looks++;
            assert(looks <= PROCESSES);
            end_sleep(i)
        }
    od
}
