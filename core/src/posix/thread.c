#include "platform.h"

#include <sched.h>

void mapped__yield(void)
{
    sched_yield();
}
