#include "platform.h"

#include <windows.h>

void mapped__yield(void)
{
    SwitchToThread();
}
