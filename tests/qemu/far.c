// The first process of an image that is the far end of a relay: whoever connects to its port says in one byte whether it takes (u)
// or gives (d) the bytes that are measured. A function that fails says so and ends the machine.
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 443
#define BYTES (64 << 20)
// The device was seen to stall on more at once.
#define PIECE (16 << 10)

static char piece[PIECE];

static void end(const char *failed) {
    perror(failed);
    sync();
    reboot(RB_POWER_OFF);
    exit(1);
}

static void take(int sock) {
    for (long left = BYTES; left > 0;) {
        ssize_t count = read(sock, piece, sizeof piece);
        if (count <= 0) return;
        left -= count;
    }
    if (write(sock, "", 1) != 1) perror("answer");
}

static void give(int sock) {
    for (long left = BYTES; left > 0;) {
        ssize_t count = write(sock, piece, sizeof piece);
        if (count <= 0) return;
        left -= count;
    }
    // Until all of it has been taken.
    while (read(sock, piece, sizeof piece) > 0);
}

int main(void) {
    struct sockaddr_vm own = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = PORT };
    int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&own, sizeof own) || listen(listener, 8)) end("virtual socket");
    for (;;) {
        int sock = accept(listener, NULL, NULL);
        if (sock < 0) end("connection");
        char direction = 0;
        if (read(sock, &direction, 1) == 1) (direction == 'u' ? take : give)(sock);
        close(sock);
    }
}
