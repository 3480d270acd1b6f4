/* The ring of core/src/{ring,ring_hold}.c, for spin: senders and receivers that
 * send and receive as mapped_ring_send and mapped_ring_recv do. The inline
 * definitions have the names of the functions there, and each of their steps is
 * one access to the memory or one call of the kernel.
 *
 * A record of one slot or of two lies at a position; one slot is 8 bytes. Each
 * end's mutex is the robust one that mutex.pml checks, so here it is taken in
 * one step when it is free or its owner is dead. The store that publishes a
 * position waits in the processor until a later fence, or any time less; so a
 * look at the others' word may come before it.
 *
 * What is checked:
 * - Records are received whole, in the order of their commits, and once: but
 *   again if the receiver died before its release.
 * - Nobody takes an end from one who lives.
 * - When nothing else can happen, nobody who lives sleeps while there is what
 *   it waits for. With deaths, a sleep ends then; and all that was committed is
 *   received in the end if a receiver lives.
 *
 * What is left out: the looks before a sleep, and ends that are held for
 * several records, whose first sleeps are short instead.
 *
 * Each MUTANT is a mistake that must be found: 1 wakes before it publishes, 2
 * doesn't wake after the unlock, 3 goes to sleep without a look after it has
 * set the word, 4 releases before it has read, 5 publishes before it has
 * written. */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef RECORDS
#define RECORDS 2 /* of each sender */
#endif
#ifndef START
#define START 3
#endif
#ifndef BUFFERED
#define BUFFERED 1 /* does the store of a position wait? */
#endif
#ifndef MUTANT
#define MUTANT 0
#endif
#define CAPACITY 4
#define ALL (2 * RECORDS)

#define GO_TO_START 255
#define index_of(position) ((position) % CAPACITY)
#define advance(position, n) (((position) + (n)) % (2 * CAPACITY))
#define distance(from, to) (((to) + 2 * CAPACITY - (from)) % (2 * CAPACITY))
#define left_at(position) (CAPACITY - index_of(position))
#define taken_at(position, n) \
    ((n) <= left_at(position) -> (n) : left_at(position) + (n))

/* A slot of a record: who sent it, which of his it is, its length, and which of
 * its slots this is. */
#define slot_of(sender, number, n, i) \
    (1 + (((sender) * RECORDS + (number)) * 2 + (n) - 1) * 2 + (i))

#define SENDS 0 /* the two ends */
#define RECEIVES 1

byte slot[CAPACITY];
byte position[2]; /* the tail and the head, in memory */
byte stored[2];   /* what the processor of the end's holder has stored there */
byte owner[2];    /* of the mutexes */
bool word[2];     /* somebody of that end sleeps: the words at 196 and 192 */

bool dead[5], done[5];
bool sleeping[5]; /* in the kernel */
byte needs[5];    /* the slots that a sender waits for */
byte deaths;

/* What nobody in the real world knows. */
byte committed[ALL]; /* the first slots, in order */
byte commits, releases;

inline flush(end)
{
    position[end] = stored[end]
}

inline die()
{
    d_step {
        dead[me] = true;
        sleeping[me] = false;
        deaths++;
        if
        :: owner[end] == me -> flush(end)
        :: else
        fi
    };
    goto gone
}

#if DEATHS
/* In the place of a step. */
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

/* Wakes all that sleep until this end has moved. */
inline wake_others()
{
    atomic { may_die(); found = word[1 - end] };
    if
    :: found ->
        atomic {
            may_die();
            if
            :: owner[end] == me -> flush(end)
            :: else
            fi;
            found = word[1 - end];
            word[1 - end] = false
        };
        if
        :: found ->
            atomic {
                may_die();
                if
                :: end == SENDS -> woken = 3
                :: else -> woken = 1
                fi;
                sleeping[woken] = false;
                sleeping[woken + 1] = false;
                woken = 0
            }
        :: else
        fi
    :: else
    fi;
    found = false
}

inline lock()
{
    atomic {
        owner[end] == 0 || dead[owner[end]] -> owner[end] = me
    };
    atomic {
        may_die();
        assert(owner[end] == me);
        own = position[end]
    }
}

inline unlock()
{
    atomic {
        may_die();
        assert(owner[end] == me);
        flush(end);
        owner[end] = 0
    };
    own = 0
}

/* mapped_ring_end. */
inline end_hold()
{
    unlock();
    if
    :: MUTANT != 1 && MUTANT != 2 -> wake_others()
    :: else
    fi
}

inline look_at_others()
{
    atomic {
        may_die();
        others = position[1 - end];
        assert(end == SENDS -> distance(others, own) <= CAPACITY
                             : distance(own, others) <= CAPACITY)
    }
}

/* The own end has moved to `own`. */
inline publish()
{
    if
    :: MUTANT == 1 -> wake_others()
    :: else
    fi;
    atomic {
        may_die();
        stored[end] = own;
        if
        :: !BUFFERED -> flush(end)
        :: else
        fi;
        if
        :: end == SENDS -> committed[commits] = first; commits++
        :: else -> releases++
        fi
    };
    if
    :: MUTANT != 1 -> wake_others()
    :: else
    fi
}

/* Is there what this process waits for, as it has seen it? */
#define is_fulfilled(head, tail, n, is_sender) \
    (distance(head, tail) > CAPACITY || \
     (is_sender -> taken_at(tail, n) <= CAPACITY - distance(head, tail) \
                 : head != tail))

/* Until there is a record, or room for one of n slots. */
inline sleep_until(n)
{
    needs[me] = n;
    do
    :: true ->
        atomic { may_die(); word[end] = true };
        atomic { may_die(); own = position[RECEIVES] }; /* look */
        atomic { may_die(); others = position[SENDS] };
        if
        :: is_fulfilled(own, others, n, end == SENDS) && MUTANT != 3 -> break
        :: else
        fi;
        atomic { may_die(); sleeping[me] = word[end] }; /* mapped__sleep */
        if
        :: !sleeping[me]
        :: atomic { sleeping[me] && deaths < DEATHS -> die() }
        fi;
        if
        :: MUTANT == 3 -> break
        :: else
        fi
    od;
    atomic { own = 0; others = 0 }
}

/* Reserves, writes and commits, if there is room. */
inline send_held(n)
{
    look_at_others();
    if
    :: taken_at(own, n) > CAPACITY - distance(others, own) -> fits = false
    :: else ->
        fits = true;
        if
        :: MUTANT == 5 ->
            atomic { first = slot_of(me - 1, number, n, 0) };
            own = advance(own, taken_at(own, n));
            publish();
            own = advance(own, 2 * CAPACITY - n)
        :: else
        fi;
        if
        :: taken_at(own, n) > n ->
            atomic { may_die(); slot[index_of(own)] = GO_TO_START };
            own = advance(own, left_at(own))
        :: else
        fi;
        first = slot_of(me - 1, number, n, 0);
        atomic { may_die(); slot[index_of(own)] = first };
        if
        :: n == 2 ->
            atomic { may_die(); slot[index_of(own) + 1] = first + 1 }
        :: else
        fi;
        own = advance(own, n);
        if
        :: MUTANT != 5 -> publish()
        :: else
        fi
    fi;
    atomic { others = 0; first = 0 }
}

inline send(n)
{
    do
    :: true ->
        lock();
        send_held(n);
        end_hold();
        if
        :: fits -> break
        :: else -> sleep_until(n)
        fi
    od;
    fits = false
}

proctype sender(byte me)
{
    byte own, others, first, number, woken;
    bool found, fits;
    byte end = SENDS;
    do
    :: number == RECORDS -> break
    :: else ->
        if
        :: send(1)
        :: send(2)
        fi;
        number++
    od;
    done[me] = true;
gone:
    skip
}

/* Peeks, reads and releases, if there is a record. */
inline recv_held()
{
    look_at_others();
    if
    :: own == others -> fits = false
    :: else ->
        fits = true;
        atomic { may_die(); first = slot[index_of(own)] };
        if
        :: first == GO_TO_START ->
            own = advance(own, left_at(own));
            atomic { may_die(); first = slot[index_of(own)] }
        :: else
        fi;
        assert(first != 0 && first != GO_TO_START && (first - 1) % 2 == 0);
        if
        :: MUTANT == 4 ->
            own = advance(own, 1 + ((first - 1) / 2) % 2);
            publish();
            own = advance(own, 2 * CAPACITY - (1 + ((first - 1) / 2) % 2))
        :: else -> assert(first == committed[releases])
        fi;
        if
        :: ((first - 1) / 2) % 2 == 1 ->
            atomic {
                may_die();
                assert(slot[index_of(own) + 1] == first + 1)
            }
        :: else
        fi;
        if
        :: MUTANT != 4 ->
            own = advance(own, 1 + ((first - 1) / 2) % 2);
            publish()
        :: else
        fi
    fi;
    atomic { others = 0; first = 0 }
}

/* Receives without end. */
proctype receiver(byte me)
{
    byte own, others, first, woken;
    bool found, fits;
    byte end = RECEIVES;
    do
    :: true ->
        lock();
        recv_held();
        end_hold();
        if
        :: fits
        :: else -> sleep_until(0)
        fi
    od;
gone:
    skip
}

#define could_go_on(number) \
    (sleeping[number] && \
     is_fulfilled(position[RECEIVES], position[SENDS], needs[number], \
                  number < 3))

inline check_end()
{
    for (i : 1 .. 4) {
        assert(dead[i] || done[i] || sleeping[i])
    }
    if
    :: dead[3] && dead[4]
    :: else ->
        assert(position[SENDS] == position[RECEIVES] && commits == releases);
        assert((done[1] || dead[1]) && (done[2] || dead[2]))
    fi
}

/* Starts the processes, lets stores reach the memory, and ends sleeps. */
init
{
    byte i;
    atomic {
        position[SENDS] = START;
        position[RECEIVES] = START;
        stored[SENDS] = START;
        stored[RECEIVES] = START;
        run sender(1);
        run receiver(3);
        if
        :: SENDERS == 2 -> run sender(2)
        :: else -> done[2] = true
        fi;
        if
        :: RECEIVERS == 2 -> run receiver(4)
        :: else -> dead[4] = true
        fi
    }
    do
    :: atomic { position[SENDS] != stored[SENDS] -> flush(SENDS) }
    :: atomic { position[RECEIVES] != stored[RECEIVES] -> flush(RECEIVES) }
    :: deaths < DEATHS -> deaths = DEATHS
    :: atomic {
            timeout ->
            if
            :: could_go_on(1) -> i = 1
            :: could_go_on(2) -> i = 2
            :: could_go_on(3) -> i = 3
            :: could_go_on(4) -> i = 4
            :: else -> check_end(); break
            fi;
            assert(DEATHS > 0);
            sleeping[i] = false
       }
    od
}
