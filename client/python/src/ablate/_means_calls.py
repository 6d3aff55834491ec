"""The client's calls about mean libraries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

from ablate import _calls, _files
from ablate._calls import default_timeout
from ablate._connection import Connection
from ablate._progress import Progress
from ablate._prompts import Prompts
from ablate._proto.ablation.v1 import means_pb2
from ablate._request import make_means
from ablate._signature import spelled_out
from ablate.errors import AblateError, IncompleteError
from ablate.options import MeansOptions


class MeansCalls:
    """Part of `Client`."""

    _connection: Connection

    @spelled_out(MeansOptions)
    def compute_means(
        self,
        prompts: Prompts,
        *,
        timeout: float | None = None,
        progress: bool | None = None,
        **options: Unpack[MeansOptions],
    ) -> means_pb2.MeanLibrary:
        """Computes the means of every head over a data set, for `scan(..., means=library)`, and stores them.

        `prompts` as in `scan` (answers are not looked at); `options`: `ablate.options.MeansOptions`. Errors as
        `scan`'s; PreconditionError where the server keeps no libraries.

        >>> library = client.compute_means(["Rome is in", "Berlin is in"], name="two capitals")
        >>> scan = client.scan("Paris is in", target=" France", replace="mean", means=library)
        >>> scan.replacements
        ['mean']
        """
        request, data = make_means(prompts, options)
        responses = self._connection.stream(_calls.COMPUTE_MEANS, request, timeout)
        with Progress(progress, "prompts") as bar, responses:
            try:
                for response in responses:
                    if response.HasField("library"):
                        return response.library
                    bar.show(response.prompts_done, len(request.prompts))
            except AblateError as error:
                raise _calls.name_origins(error, data) from None
        raise IncompleteError("the stream ended without the library")

    def means(self) -> list[means_pb2.MeanLibrary]:
        """The mean libraries of the server's model, by id (`ablation.v1.MeanLibrary`).

        >>> library = client.compute_means(["Rome is in", "Berlin is in"])
        >>> library in client.means()
        True
        """
        libraries: list[means_pb2.MeanLibrary] = []
        request = means_pb2.ListMeanLibrariesRequest(page_size=1000)
        while True:
            page = self._connection.unary(_calls.LIST_MEANS, request, default_timeout(None))
            libraries.extend(page.libraries)
            if not page.next_page_token:
                return libraries
            request.page_token = page.next_page_token

    def delete_means(self, library: str | means_pb2.MeanLibrary) -> None:
        """Deletes a library. NotFoundError where there is none of this id.

        >>> library = client.compute_means(["Madrid is in", "Berlin is in"])
        >>> client.delete_means(library)
        >>> library in client.means()
        False
        """
        request = means_pb2.DeleteMeanLibraryRequest(id=_calls.library_id(library))
        self._connection.unary(_calls.DELETE_MEANS, request, default_timeout(None))

    def export_means(self, library: str | means_pb2.MeanLibrary, path: str | os.PathLike[str]) -> None:
        """Writes a library to a safetensors file, which appears only when it is whole. NotFoundError, OSError.

        >>> library = client.compute_means(["Rome is in", "Berlin is in"])
        >>> client.export_means(library, folder / "means.safetensors")
        """
        request = means_pb2.ExportMeanLibraryRequest(id=_calls.library_id(library))
        with self._connection.stream(_calls.EXPORT_MEANS, request, None) as pieces:
            _files.write_whole(path, lambda file: file.writelines(piece.data for piece in pieces))

    def import_means(self, path: str | os.PathLike[str]) -> means_pb2.MeanLibrary:
        """Stores a file that `export_means` wrote.

        InvalidRequestError where it is damaged, PreconditionError of another model.

        >>> library = client.compute_means(["Rome is in", "Berlin is in"])
        >>> client.export_means(library, folder / "means.safetensors")
        >>> client.import_means(folder / "means.safetensors").id == library.id
        True
        """
        pieces = _calls.read_pieces(Path(path))
        return self._connection.upload(_calls.IMPORT_MEANS, pieces, None).library
