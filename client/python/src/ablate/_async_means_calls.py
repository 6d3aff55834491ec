"""The asyncio client's calls about mean libraries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

from ablate import _calls, _files
from ablate._async_connection import AsyncConnection
from ablate._calls import default_timeout
from ablate._progress import Progress
from ablate._prompts import Prompts
from ablate._proto.ablation.v1 import means_pb2
from ablate._request import make_means
from ablate._signature import spelled_out
from ablate.errors import AblateError, IncompleteError
from ablate.options import MeansOptions


class AsyncMeansCalls:
    """Part of `AsyncClient`."""

    _connection: AsyncConnection

    @spelled_out(MeansOptions)
    async def compute_means(
        self,
        prompts: Prompts,
        *,
        timeout: float | None = None,
        progress: bool | None = None,
        **options: Unpack[MeansOptions],
    ) -> means_pb2.MeanLibrary:
        """`Client.compute_means`.

        >>> library = await client.compute_means(["Rome is in", "Berlin is in"])
        >>> scan = await client.scan("Paris is in", replace="mean", means=library)
        >>> scan.replacements
        ['mean']
        """
        request, data = make_means(prompts, options)
        responses = self._connection.stream(_calls.COMPUTE_MEANS, request, timeout)
        with Progress(progress, "prompts") as bar, responses:
            try:
                async for response in responses:
                    if response.HasField("library"):
                        return response.library
                    bar.show(response.prompts_done, len(request.prompts))
            except AblateError as error:
                raise _calls.name_origins(error, data) from None
        raise IncompleteError("the stream ended without the library")

    async def means(self) -> list[means_pb2.MeanLibrary]:
        """`Client.means`.

        >>> library = await client.compute_means(["Rome is in", "Berlin is in"])
        >>> library in await client.means()
        True
        """
        libraries: list[means_pb2.MeanLibrary] = []
        request = means_pb2.ListMeanLibrariesRequest(page_size=1000)
        while True:
            page = await self._connection.unary(_calls.LIST_MEANS, request, default_timeout(None))
            libraries.extend(page.libraries)
            if not page.next_page_token:
                return libraries
            request.page_token = page.next_page_token

    async def delete_means(self, library: str | means_pb2.MeanLibrary) -> None:
        """`Client.delete_means`.

        >>> library = await client.compute_means(["Madrid is in", "Berlin is in"])
        >>> await client.delete_means(library)
        >>> library in await client.means()
        False
        """
        request = means_pb2.DeleteMeanLibraryRequest(id=_calls.library_id(library))
        await self._connection.unary(_calls.DELETE_MEANS, request, default_timeout(None))

    async def export_means(self, library: str | means_pb2.MeanLibrary, path: str | os.PathLike[str]) -> None:
        """`Client.export_means`.

        >>> library = await client.compute_means(["Rome is in", "Berlin is in"])
        >>> await client.export_means(library, folder / "means.safetensors")
        """
        request = means_pb2.ExportMeanLibraryRequest(id=_calls.library_id(library))
        with self._connection.stream(_calls.EXPORT_MEANS, request, None) as responses:
            pieces = [piece.data async for piece in responses]
        _files.write_whole(path, lambda file: file.writelines(pieces))

    async def import_means(self, path: str | os.PathLike[str]) -> means_pb2.MeanLibrary:
        """`Client.import_means`.

        >>> library = await client.compute_means(["Rome is in", "Berlin is in"])
        >>> await client.export_means(library, folder / "means.safetensors")
        >>> (await client.import_means(folder / "means.safetensors")).id == library.id
        True
        """
        pieces = _calls.read_pieces(Path(path))
        return (await self._connection.upload(_calls.IMPORT_MEANS, pieces, None)).library
