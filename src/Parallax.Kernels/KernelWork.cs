namespace Parallax.Kernels;

/// <summary>What a kernel counts of what it does, to predict its time by. Zero stands for what is not counted.</summary>
/// <param name="TileRows">Results that are computed together, where they are computed in whole tiles: rows of a product, results of one channel of a convolution.</param>
/// <param name="TileColumns">Columns of a product, channels of a convolution.</param>
/// <param name="Macs">Multiply-adds that are carried out: those of whole tiles, and of transformed elements where there are such.</param>
/// <param name="Moves">Elements that are padded, packed or transformed around the products.</param>
public readonly record struct KernelWork(int TileRows, int TileColumns, long Macs = 0, long Moves = 0);
