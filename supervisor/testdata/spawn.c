/* The limit of "yunta map": n times a program, at most two at a time, by
   posix_spawn and nothing else. The program gets one argument, as from map and
   xargs: with one, true(1) looks at it.  usage: spawn N PROGRAM */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0, running = 0, failed = argc <= 2;
	char *args[] = {argv[2], "1", NULL};
	for (int i = 0; i < n; i++) {
		pid_t pid;
		int status;
		if (running == 2 && wait(&status) > 0) {
			running--;
			failed |= status != 0;
		}
		if (posix_spawn(&pid, argv[2], NULL, NULL, args, environ) != 0)
			return 2;
		running++;
	}
	for (int status; running > 0 && wait(&status) > 0; running--)
		failed |= status != 0;
	return failed;
}
