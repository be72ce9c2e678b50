/* about.c - see about.h: program and libraries. */
#include "cmd/about.h"

#include "base/err.h"
#include "base/hash.h"
#include "commit.h"
#include "config/json.h"
#include "images/images.h"
#include "ops/ops.h"
#include "tensor/h5.h"
#include "tensor/torch.h"
#include "version.h"

#include <cjson/cJSON.h>
#include <zlib.h>

int about_program(cJSON *o)
{
    int rc = ERR_OK;
    TRY(json_put_text(o, "mrad", MRAD_VERSION));
    TRY(json_put_text(o, "commit", MRAD_COMMIT));
    TRY(json_put_text(o, "build", MRAD_BUILD_TYPE));
    TRY(json_put_text(o, "compiler", MRAD_COMPILER));
    TRY(json_put_text(o, "flags", MRAD_FLAGS));
out:
    return rc;
}

int about_libraries(cJSON *o)
{
    int rc = ERR_OK;
    TRY(json_put_text(o, "mpi", comm_library()));
    TRY(json_put_text(o, "hdf5", h5_library()));
    TRY(json_put_text(o, "cpu kernels", ops_library()));
    TRY(json_put_text(o, "cuda", "not built in: this program computes on CPU cores"));
    TRY(json_put_text(o, "nccl", "not built in: banks are gathered by MPI"));
    TRY(json_put_text(o, "images", image_libraries()));
    TRY(json_put_text(o, "cjson", cJSON_Version()));
    TRY(json_put_text(o, "hashes", hash_library()));
    TRY(json_put_text(o, "archives", torch_library()));
    TRY(json_put_text(o, "zlib", zlibVersion()));
out:
    return rc;
}
