// The first process of an image that says which word its memory holds, and how many processors there are, and ends the machine.
#include <stdio.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

int main(void) {
    // Read from memory each time: a compiler could otherwise print a copy.
    static const volatile char word[] = "PRIVATE-MEMORY-OF-THE-GUEST";
    printf("guest reads %s\n", (const char *)word);
    printf("guest has %ld processors\n", sysconf(_SC_NPROCESSORS_ONLN));
    fflush(NULL);
    tcdrain(STDOUT_FILENO);
    reboot(RB_AUTOBOOT);
    return 1;
}
