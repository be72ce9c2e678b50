/* generated.h - model files by the program's own generator, mrad-weights, which lies beside $MRAD. */
#ifndef SUPPORT_GENERATED_H
#define SUPPORT_GENERATED_H

/* Write a safetensors file; options are mrad-weights', such as "--seed 3 --shape text_layers=2". */
void generated_weights(const char *path, const char *options);

#endif /* SUPPORT_GENERATED_H */
