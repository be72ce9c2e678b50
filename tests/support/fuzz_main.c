/* fuzz_main.c - the main of a fuzz target where libFuzzer does not bring one. */
#include "fuzz.h"

int main(int argc, char **argv)
{
    return fuzz_main(argc, argv);
}
