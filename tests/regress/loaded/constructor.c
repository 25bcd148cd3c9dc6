/* A library whose constructor calls the program that loads it. */
void at_load(void);

static __attribute__((constructor)) void call(void)
{
    at_load();
}
